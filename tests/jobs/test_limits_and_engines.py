"""Searches of more than one limit, and by NNI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jobs_lab import made_up_times, options_for

from hwnas.core.workload import Workload
from hwnas.jobs.host_timer import HostTimer, Timed
from hwnas.jobs.search_job import search
from hwnas.measuring.statistics import Estimate
from hwnas.searching.codes import codes_of
from hwnas.searching.counted_cost import CountedCost
from hwnas.workloads.spaces.space_file import load_space

OPENVINO, TORCH = "openvino:cpu:fp32", "torch:cpu:fp32"


@pytest.mark.parametrize("slow", [False, True])
def test_a_limit_on_each_of_two_backends_must_hold(
    space_file: Path,
    tmp_path: Path,
    jobs_db: str,
    made_up_latencies: None,
    monkeypatch: pytest.MonkeyPatch,
    slow: bool,
) -> None:
    asked: set[tuple[str, ...]] = set()

    def close(
        self: HostTimer, workloads: Sequence[Workload], backends: Sequence[str], **named: Any
    ) -> dict[tuple[Workload, str], Timed]:
        """As finalists, networks take 2 us on PyTorch where it is slow."""
        found = made_up_times(self, workloads, backends)
        if "is_open" in named:
            asked.add(tuple(backends))
            for workload in workloads if slow else ():
                found[workload, TORCH] = Timed(Estimate(2e-6, 1.9e-6, 2.1e-6, 2e-6, 0.0, 0.0, 3, 9, None))
        return found

    monkeypatch.setattr(HostTimer, "close", close)
    options = options_for(space_file, tmp_path, max_latency_s={OPENVINO: 1e-3, TORCH: 1e-6})
    record = search(options, tmp_path / "out", db=jobs_db)
    # Both are measured side by side.
    assert asked == {(OPENVINO, TORCH)}
    assert record["verdict"] == ("NOT" if slow else "FEASIBLE")
    assert [(told["backend"], told["verdict"]) for told in record["latencies"]] == [
        (OPENVINO, "FEASIBLE"),
        (TORCH, record["verdict"]),
    ]
    assert [told["limit_ms"] for told in record["latencies"]] == pytest.approx([1.0, 1e-3])
    for trial in record["search"]["trials"]:
        assert {f"latency {OPENVINO}", f"latency {TORCH}"} <= trial["violations"].keys()


def test_memory_is_limited(space_file: Path, tmp_path: Path, jobs_db: str, made_up_latencies: None) -> None:
    space = load_space(str(space_file))
    codes, memory = codes_of(space), CountedCost(space, "memory")
    found = {}
    for row in codes.everything:
        architecture = codes.decode(row)
        found[space.compact(architecture)] = float(memory.estimate(architecture).median[0])
    most = sorted(found.values())[len(found) // 4]
    options = options_for(
        space_file, tmp_path, max_count={"memory": most}, max_latency_s={OPENVINO: 1.0}, trials=4
    )
    record = search(options, tmp_path / "out", db=jobs_db)
    assert record["limits"]["counts"] == {"memory": most}
    evaluated = [t["text"] for t in record["search"]["trials"] if t["state"] == "COMPLETE"]
    assert len(evaluated) == 4
    assert all(found[text] <= most for text in evaluated)
    winner = next(t for t in record["search"]["trials"] if t["number"] == record["winner"]["trial"])
    assert record["winner"]["counts"]["memory"] == found[winner["text"]]


@pytest.mark.usefixtures("needs_nni")
def test_nni_suggests(space_file: Path, tmp_path: Path, jobs_db: str, made_up_latencies: None) -> None:
    options = options_for(space_file, tmp_path, engine="nni", sampler="random", max_latency_s={OPENVINO: 1.0})
    record = search(options, tmp_path / "out", db=jobs_db)
    assert (record["search"]["engine"], record["search"]["sampler"]) == ("nni", "random")
    assert record["search"]["evaluations"] == 3
    assert record["verdict"] == "FEASIBLE"
    assert any("from measurements alone" in notice for notice in record["notices"])
    assert not any("looks for accuracy alone" in notice for notice in record["notices"])
    again = search(options, tmp_path / "out", resume=True)
    assert again["search"]["trials"] == record["search"]["trials"]
    front = search(options_for(space_file, tmp_path, engine="nni", trials=2), tmp_path / "front", db=jobs_db)
    assert any("looks for accuracy alone" in notice for notice in front["notices"])
