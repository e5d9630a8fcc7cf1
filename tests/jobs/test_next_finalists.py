"""Where no finalist is surely within the limits, the next ones are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_lab import made_up_times, options_for

from hwnas.core.workload import Workload
from hwnas.jobs.host_timer import HostTimer, Timed
from hwnas.jobs.search_job import search
from hwnas.measuring.statistics import Estimate

BACKEND = "openvino:cpu:fp32"
LIMIT_S = 1e-6


@pytest.mark.parametrize(("verdict", "interval_s"), [("UNCLEAR", (0.9e-6, 1.1e-6)), ("NOT", (1.1e-6, 1.3e-6))])
def test_where_the_first_are_not_feasible_the_next_are_measured(
    space_file: Path,
    tmp_path: Path,
    jobs_db: str,
    made_up_latencies: None,
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    interval_s: tuple[float, float],
) -> None:
    low_s, high_s = interval_s
    middle_s = (low_s + high_s) / 2
    proved: list[str] = []

    def close(
        self: HostTimer, workloads: Sequence[Workload], backends: Sequence[str], **named: Any
    ) -> dict[tuple[Workload, str], Timed]:
        """The first three finalists are slow; what learns latencies hears of fast networks alone."""
        found = made_up_times(self, workloads, backends)
        for workload in workloads if "is_open" in named else ():
            proved.append(str(workload.params["architecture"]))
            if len(proved) <= 3:
                slow = Estimate(middle_s, low_s, high_s, middle_s, 0.0, 0.0, 8, 24, None)
                found[workload, BACKEND] = Timed(slow)
        return found

    monkeypatch.setattr(HostTimer, "close", close)
    options = options_for(space_file, tmp_path, max_latency_s={BACKEND: LIMIT_S}, trials=7, finalists=3)
    record = search(options, tmp_path / "out", db=jobs_db)
    later = record["finalists"][3:]
    assert [f["verdict"] for f in record["finalists"]] == [verdict] * 3 + ["FEASIBLE"] * len(later)
    # Three at once, and the last one if it is more accurate than these, and thought to be within the limit.
    assert len(later) in (3, 4)
    assert record["verdict"] == "FEASIBLE"
    best = max(later, key=lambda f: f["accuracy"]["mean"])
    assert record["winner"]["trial"] == best["trial"]
    # All different networks; and nothing is measured again, or beyond them, when it goes on.
    assert len(set(proved)) == len(proved) == 3 + len(later)
    again = search(options, tmp_path / "out", resume=True)
    assert len(proved) == 3 + len(later)
    assert again["finalists"] == record["finalists"]


def test_it_ends_after_some(
    space_file: Path,
    tmp_path: Path,
    jobs_db: str,
    made_up_latencies: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are too slow: three times as many are measured, and others only where more are asked for."""
    asked: list[int] = []

    def close(
        self: HostTimer, workloads: Sequence[Workload], backends: Sequence[str], **named: Any
    ) -> dict[tuple[Workload, str], Timed]:
        if "is_open" not in named:
            return made_up_times(self, workloads, backends)
        asked.append(len(workloads))
        slow = Timed(Estimate(2e-6, 1.9e-6, 2.1e-6, 2e-6, 0.0, 0.0, 3, 9, None))
        return {(workload, backend): slow for workload in workloads for backend in backends}

    monkeypatch.setattr(HostTimer, "close", close)
    options = options_for(space_file, tmp_path, max_latency_s={BACKEND: LIMIT_S}, trials=5)
    assert search(options, tmp_path / "out", db=jobs_db)["verdict"] == "NOT"
    assert asked == [1, 1, 1]
    assert search(options, tmp_path / "out", resume=True)["verdict"] == "NOT"
    assert asked == [1, 1, 1]
    assert search(replace(options, finalists=2), tmp_path / "out", resume=True)["verdict"] == "NOT"
    assert asked == [1, 1, 1, 2]
