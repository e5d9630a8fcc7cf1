"""Which networks are measured in the end, one batch after the other, and after a kill."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwnas.core.workload import Workload
from hwnas.jobs import proving
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.host_timer import Timed
from hwnas.jobs.listener import JobListener
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.proving import Proving
from hwnas.measuring import statistics
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.searching.limit import Limit
from hwnas.searching.trial import SearchResult, Trial, TrialState
from hwnas.workloads.spaces.choice import Architecture

BACKEND = "openvino:cpu:fp32"
WORKLOAD = Workload("space", "patterns", (1, 3, 8, 8), {"architecture": "a", "digest": "b"})

#: Name -> accuracy, what its latency is thought to be before and after anything was measured, and what it is.
Networks = Mapping[str, tuple[float, float, float, float]]


class Killed(BaseException):
    """In place of a kill."""


class Host(CostModel):
    """Tells latencies, and measures them to 5 %; the limit is 1 s."""

    name, unit = f"latency {BACKEND}", "s"

    def __init__(self, networks: Networks) -> None:
        self.networks = dict(networks)
        self.environment = SimpleNamespace(fingerprint="here")
        self.asked: list[str] = []
        self.killed_at = ""

    def estimate(self, architecture: Architecture) -> Estimate:
        _, before_s, after_s, _ = self.networks[str(architecture["name"])]
        return Estimate.exact(np.array([after_s if self.asked else before_s]))

    def close(self, workloads: Sequence[Workload], backends: Sequence[str], **_: Any) -> Any:
        names = [str(workload.params["architecture"]) for workload in workloads]
        if self.killed_at in names:
            self.killed_at = ""
            raise Killed
        self.asked.append("".join(names))
        found = {}
        for workload, name in zip(workloads, names, strict=True):
            s = self.networks[name][3]
            estimate = statistics.Estimate(s, 0.95 * s, 1.05 * s, s, 0.0, 0.0, 3, 9, None)
            found[workload, BACKEND] = Timed(estimate)
        return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchFolder:
    """Of a search without a study."""
    monkeypatch.setattr(proving, "add_measured", lambda *_: None)
    return SearchFolder(tmp_path / "out")


def proved(host: Host, folder: SearchFolder, finalists: int, names: Collection[str] | None = None) -> str:
    """The finalists of a search that has tried these networks, in their order."""
    trials = tuple(
        Trial(number, {"name": name}, name, TrialState.COMPLETE, host.networks[name][0])
        for number, name in enumerate(names or host.networks)
    )
    options = SearchOptions(max_latency_s={BACKEND: 1.0}, finalists=finalists)
    found = Proving(
        declared=Declared(options, "study", "2026-01-01T00:00:00+00:00", "a.db"),
        folder=folder,
        timer=host,  # type: ignore[arg-type]
        models={},
        limits=[Limit(host, 1.0)],
        storage="",
        listener=JobListener(),
        workload_of=lambda trial: replace(WORKLOAD, params={"architecture": trial.text, "digest": "b"}),
    ).finalists(SearchResult("study", "space", "digest", "optuna", "random", 0, (), (), trials))
    return "".join(finalist.trial.text for finalist in found)


#: After the first two, a being too slow, c and d and e are thought to be within the limit; f never is.
REOPENED: Networks = {
    "a": (0.95, 0.9, 0.9, 1.2),
    "b": (0.80, 0.9, 0.9, 0.8),
    "c": (0.90, 1.1, 0.9, 1.0),
    "d": (0.85, 1.1, 0.9, 0.9),
    "e": (0.84, 1.1, 0.9, 0.9),
    "f": (0.99, 2.0, 2.0, 0.5),
    "g": (0.70, 0.5, 0.5, 0.5),
}


def test_what_could_still_win_is_measured_one_by_one(folder: SearchFolder) -> None:
    host = Host(REOPENED)
    assert proved(host, folder, 2) == "abcd"
    # c stays unclear; d is feasible, and nothing within the limit is more accurate.
    assert host.asked == ["ab", "c", "d"]
    # What is thought of f by now reopens nothing.
    host.networks["f"] = (0.99, 0.5, 0.5, 0.5)
    assert proved(host, folder, 2) == "abcd"
    assert host.asked == ["ab", "c", "d"]


def test_a_kill_on_the_way_changes_nothing(folder: SearchFolder) -> None:
    host = Host(REOPENED)
    host.killed_at = "c"
    with pytest.raises(Killed):
        proved(host, folder, 2)
    assert host.asked == ["ab"]
    assert proved(host, folder, 2) == "abcd"
    assert host.asked == ["ab", "c", "d"]


def test_it_ends_after_some(folder: SearchFolder) -> None:
    """Three times as many, as where none is feasible."""
    slow = {name: (accuracy, 1.1, 0.9, 1.2) for name, accuracy in (("p", 0.95), ("q", 0.94), ("r", 0.93))}
    host = Host({"a": (0.80, 0.9, 0.9, 0.8), **slow})
    assert proved(host, folder, 1) == "apq"
    assert host.asked == ["a", "p", "q"]


def test_new_networks_are_not_kept_out_by_unclear_ones(folder: SearchFolder) -> None:
    """The two most accurate ones were measured, and stay unclear; the third is new."""
    host = Host(
        {
            "u": (0.95, 0.9, 0.9, 1.0),
            "v": (0.94, 0.9, 0.9, 1.0),
            "w": (0.80, 0.9, 0.9, 0.8),
            "x": (0.70, 0.9, 0.9, 0.8),
            "n": (0.90, 0.9, 0.9, 0.8),
            "o": (0.75, 0.9, 0.9, 0.8),
        }
    )
    assert proved(host, folder, 2, "uvwx") == "uvwx"
    assert proved(host, folder, 2, "uvwxno") == "uvwxn"
    assert host.asked == ["uv", "wx", "n"]
