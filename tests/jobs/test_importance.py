"""Which choices mattered stands in the result, on the page, and in a file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from jobs_lab import made_up_times, no_predictor

from hwnas.jobs import latency_models
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search

#: One choice alone decides, but for a little that tells networks apart.
DECIDED = """
def told(architecture):
    return (0.9 if architecture["stage1.width"] == 16 else 0.5) + len(str(architecture)) % 7 / 1e4
"""


def test_the_choice_that_decides_is_drawn_first(
    space_file: Path, own_module: Path, jobs_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    monkeypatch.setattr(latency_models, "find_predictor", no_predictor)
    (own_module / "own_accuracy.py").write_text(DECIDED)
    options = SearchOptions(
        space=str(space_file),
        max_latency_s={"openvino:cpu:fp32": 1.0},
        accuracy="own_accuracy:told",
        sampler="random",
        trials=12,
        measurements=3,
        finalists=1,
        final_seeds=1,
    )
    record = search(options, own_module / "out", db=jobs_db)
    first, share = next(iter(record["importance"].items()))
    assert first == "stage1.width"
    assert 0.5 < share <= 1
    assert sum(record["importance"].values()) == pytest.approx(1)
    with (own_module / "out" / "importance.csv").open() as file:
        rows = {row["choice"]: float(row["share"]) for row in csv.DictReader(file)}
    assert rows == pytest.approx(record["importance"])
    page = (own_module / "out" / "index.html").read_text()
    assert 'id="figure-importance"' in page
    assert "Too few networks were evaluated" not in page
