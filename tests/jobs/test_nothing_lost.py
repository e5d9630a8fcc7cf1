"""A search that fails keeps what was finished, and frees its folder where nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs_lab import Hearing

from hwnas.core.errors import DatabaseError, HwnasError, UsageError
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search

BACKEND = "openvino:cpu:fp32"

#: Fails from its third call on, until somebody mends it.
FAILING = """
from pathlib import Path

def told(architecture):
    with Path("calls").open("a") as file:
        file.write("x")
    if Path("broken").exists() and Path("calls").stat().st_size > 2:
        raise KeyError("the memory card")
    return len(str(architecture)) % 97 / 100
"""


def options_for(space_file: Path) -> SearchOptions:
    return SearchOptions(
        space=str(space_file),
        max_latency_s={BACKEND: 1.0},
        accuracy="own_accuracy:told",
        sampler="random",
        trials=4,
        measurements=3,
        finalists=1,
        final_seeds=1,
    )


def test_what_was_finished_outlives_a_function_that_fails(
    space_file: Path, own_module: Path, jobs_db: str, made_up_latencies: None
) -> None:
    (own_module / "own_accuracy.py").write_text(FAILING)
    (own_module / "broken").touch()
    out, heard = own_module / "out", Hearing()
    with pytest.raises(HwnasError, match="own_accuracy:told failed: KeyError"):
        search(options_for(space_file), out, db=jobs_db, listener=heard)
    finished = [trial for trial in heard.ended_trials if trial.evaluated]
    assert len(finished) == 2
    assert any(f"--resume --out {out}" in notice for notice in heard.notices)

    (own_module / "broken").unlink()
    going_on = Hearing()
    record = search(options_for(space_file), out, resume=True, listener=going_on)
    assert going_on.known == 2
    assert record["search"]["evaluations"] == 4
    told = {trial["number"]: trial for trial in record["search"]["trials"]}
    assert all(told[trial.number]["accuracy"] == trial.accuracy for trial in finished)
    assert record["verdict"] == "FEASIBLE"


def test_a_database_that_cannot_be_opened_leaves_no_folder(space_file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    options = SearchOptions(space=str(space_file))
    with pytest.raises(DatabaseError):
        search(options, tmp_path / "out", db=str(tmp_path / "folder.db"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_looked_at_is_one_line(space_file: Path, tmp_path: Path) -> None:
    """Here since its name is too long; more often since somebody else's folder is on the way."""
    options = SearchOptions(space=str(space_file))
    with pytest.raises(UsageError, match="cannot look at") as caught:
        search(options, tmp_path / ("x" * 300), db=str(tmp_path / "a.db"))
    assert "\n" not in str(caught.value)
