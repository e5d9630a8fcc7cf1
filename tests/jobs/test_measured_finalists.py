"""What was measured of finalists counts, also where nothing is learned from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jobs_lab import options_for

from hwnas.jobs import search_job
from hwnas.jobs.search_job import search
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

BACKEND = "openvino:cpu:fp32"
NAME = f"latency {BACKEND}"


class Told(CostModel):
    """A predictor's word alone: twice as long as networks take."""

    name, unit = NAME, "s"

    def __init__(self, space: Space) -> None:
        self._space = space

    def estimate(self, architecture: Architecture) -> Estimate:
        return Estimate.exact(np.array([2e-9 * len(self._space.compact(architecture))]))


def test_the_front_is_of_what_was_measured(
    space_file: Path, tmp_path: Path, jobs_db: str, made_up_latencies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_job, "latency_models", lambda options, space, *_, **__: {BACKEND: Told(space)})
    options = options_for(space_file, tmp_path, measurements=0, trials=5, finalists=2)
    record = search(options, tmp_path / "out", db=jobs_db)
    measured = record["search"]["measured"][NAME]
    assert measured == {
        finalist["text"]: pytest.approx(1e-3 * finalist["latencies"][0]["latency_ms"])
        for finalist in record["finalists"]
    }
    assert all(s == pytest.approx(1e-9 * len(text)) for text, s in measured.items())
    trials = record["search"]["trials"]
    known = [measured.get(t["text"], t["costs"][NAME]["median"]) for t in (trials[n] for n in record["front"])]
    assert known == sorted(known)
    # Predictions stay what they were.
    assert all(t["costs"][NAME]["median"] == pytest.approx(2e-9 * len(t["text"])) for t in trials)
    again = search(options, tmp_path / "out", resume=True)
    assert again["search"]["measured"] == record["search"]["measured"]
