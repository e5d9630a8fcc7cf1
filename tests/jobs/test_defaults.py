"""What a search takes for a number of networks that nobody gave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_lab import options_for
from searching_lab import TINY

from hwnas.jobs import defaults
from hwnas.jobs.defaults import trials_of
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search


@pytest.mark.parametrize(
    ("given", "trials"),
    [
        ({}, 20),
        ({"budget_s": 60.0}, None),
        ({"trials": 7}, 7),
        ({"trials": 7, "budget_s": 60.0}, 7),
    ],
)
def test_a_time_takes_the_place_of_the_number(given: dict[str, Any], trials: int | None) -> None:
    options = SearchOptions(**given)
    assert trials_of(options) == trials
    # As a folder keeps it.
    assert SearchOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


@pytest.mark.parametrize("limits", [{"openvino:cpu:fp32": 1.0}, {}])
def test_with_a_time_alone_the_space_ends_the_search(
    tmp_path: Path,
    jobs_db: str,
    made_up_latencies: None,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, float],
) -> None:
    """Two networks, where neither a number nor a time is given."""
    monkeypatch.setattr(defaults, "TRIALS", 2)
    (tmp_path / "tiny.yaml").write_text(TINY)
    out = tmp_path / "out"
    options = options_for(tmp_path / "tiny.yaml", tmp_path, trials=None, sampler="hwnas", max_latency_s=limits)
    first = search(options, out, db=jobs_db)
    assert (first["search"]["evaluations"], first["search"]["ended"]) == (2, "")
    # What was begun with neither goes on for a time, and then with a number.
    timed = search(replace(options, budget_s=1e6), out, resume=True)
    assert timed["search"]["evaluations"] == 4
    assert timed["options"]["trials"] is None
    assert any(n.startswith("4 networks were evaluated: no further network") for n in timed["notices"])
    declared = SearchFolder(out).declared().options
    assert (declared.trials, declared.budget_s) == (None, 1e6)
    counted = search(replace(options, trials=4, budget_s=1e6), out, resume=True)
    assert counted["search"]["trials"] == timed["search"]["trials"]
    assert counted["search"]["ended"] == ""
