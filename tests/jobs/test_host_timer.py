"""Latencies that a search measures: kept as they come, and not measured twice by the same search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hwnas.core.errors import LockHeld
from hwnas.core.measurement import PROTOCOL_VERSION, SEARCH_CAMPAIGN
from hwnas.core.workload import Workload
from hwnas.host import lock
from hwnas.host.machine import probe_environment
from hwnas.jobs import host_timer
from hwnas.jobs.feasibility import Feasibility
from hwnas.jobs.host_timer import HostTimer, Timed
from hwnas.jobs.module_proof import prove_module
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.events import Silent
from hwnas.measuring.statistics import Estimate, estimate
from hwnas.store import LatencyStore
from hwnas.workloads.models import parse_model

BACKEND = "openvino:cpu:fp32"
MODELS = [
    f"space:patterns@1x8x8-10:{first}+standard,32,1,3+standard,64,1,3"
    for first in ("standard,16,1,3", "grouped,16,1,3")
]


class Killed(BaseException):
    """In place of a kill."""


def test_what_was_measured_before_a_kill_is_kept(
    tmp_path: Path, quick_measuring: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workloads = [parse_model(model) for model in MODELS]
    kept = Campaign._keep

    def keep_one(self: Campaign, *arguments: Any) -> None:
        kept(self, *arguments)
        raise Killed

    with LatencyStore.open(tmp_path / "a.db") as store:
        timer = HostTimer(store, probe_environment(), 1, Silent(), "mine")
        with monkeypatch.context() as patch:
            patch.setattr(Campaign, "_keep", keep_one)
            with pytest.raises(Killed):
                timer.quick(workloads, BACKEND)
        assert store.count() == 1
        found = timer.quick(workloads, BACKEND)
        assert store.count() == 2
        assert all(s is not None and s > 0 for s in found)
        assert timer.quick(workloads, BACKEND) == found
        assert store.count() == 2


def test_a_network_that_is_an_object_is_measured_with_its_kernels(
    tmp_path: Path, quick_measuring: None
) -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)).eval()
    images = torch.zeros(1, 1, 8, 8)
    with LatencyStore.open(tmp_path / "a.db") as store:
        timer = HostTimer(store, probe_environment(), 1, Silent(), "mine")
        found = prove_module(timer, network.to(memory_format=torch.channels_last), images, BACKEND, 1.0)
        assert found.latency.verdict is Feasibility.FEASIBLE
        assert found.latency.estimate is not None
        assert any(kernel.time_s is not None for kernel in found.kernels)
        # Reports leave it out, and the same search does not measure it again.
        assert [campaign.name for campaign, _ in store.campaigns()] == [SEARCH_CAMPAIGN]
        count = store.count()
        assert prove_module(timer, network, images, BACKEND, 1.0) == found
        assert store.count() == count


@pytest.mark.parametrize(
    ("interval_s", "limit_s", "more"),
    [((0.9, 1.1), 1.0, True), ((0.8, 0.9), 1.0, False), ((0.9, 1.1), None, False)],
)
def test_passes_are_added_until_the_side_of_the_limit_is_clear(
    interval_s: tuple[float, float], limit_s: float | None, more: bool
) -> None:
    low_s, high_s = interval_s
    timed = Timed(Estimate(1.0, low_s, high_s, 1.0, 0.0, 0.0, 3, 9, None), kernels=())
    asked: list[bool] = []

    class Timer:
        def close(self, workloads: list[Workload], backends: list[str], *, is_open: Any, live: Any) -> Any:
            (workload,), (backend,) = workloads, backends
            assert set(live) == {workload.key}
            times = {(workload, backend): timed}
            asked.append(is_open(workload, times))
            return times

    network = nn.Sequential(nn.Conv2d(1, 8, 3)).eval()
    found = prove_module(Timer(), network, torch.zeros(1, 1, 8, 8), BACKEND, limit_s)  # type: ignore[arg-type]
    assert asked == [more]
    assert found.latency.estimate == timed.estimate


def test_looks_that_more_passes_may_follow_take_a_wider_interval(tmp_path: Path, quick_measuring: None) -> None:
    """Looking after each pass until a 95 % interval excludes the limit would find a side too often."""
    network = parse_model(MODELS[0])
    looks: list[Estimate | None] = []

    def is_open(workload: Workload, times: Any) -> bool:
        looks.append(times[workload, BACKEND].estimate)
        return True

    environment = probe_environment()
    with LatencyStore.open(tmp_path / "a.db") as store:
        timer = HostTimer(store, environment, 1, Silent(), "mine")
        settings = replace(host_timer.QUICK, max_passes=2)
        found = timer.close([network], [BACKEND], settings=settings, is_open=is_open)
        passes = [stored.measurement for stored in store.measurements()]
        reference = store.canary_reference(environment, PROTOCOL_VERSION)
    assert [m.pass_index for m in passes] == [0, 1]
    alone = estimate(passes[:1], reference)
    (look,) = looks
    assert look == estimate(passes[:1], reference, interim=True)
    assert look is not None
    assert look.low_s < alone.low_s < alone.high_s < look.high_s
    assert found[network, BACKEND].estimate == estimate(passes, reference)


def test_it_waits_for_the_machine(
    tmp_path: Path, quick_measuring: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [True]
    real = host_timer.measuring_lock

    def measuring_lock(command: str) -> Any:
        if held.pop() if held else False:
            raise LockHeld("this machine is already being measured by somebody", "Wait")
        return real(command)

    monkeypatch.setattr(host_timer, "measuring_lock", measuring_lock)
    monkeypatch.setattr(host_timer, "_WAIT_S", 0.0)
    watcher = Silent()
    with LatencyStore.open(tmp_path / "a.db") as store:
        timer = HostTimer(store, probe_environment(), 1, watcher, "mine")
        assert timer.close([], [BACKEND]) == {}
    assert watcher.notices == ["waiting: this machine is already being measured by somebody"]
    assert lock.lock_holder() is None
