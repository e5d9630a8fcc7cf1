"""Latencies that a search measures: kept as they come, and not measured twice by the same search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwnas.core.errors import LockHeld
from hwnas.host import lock
from hwnas.host.machine import probe_environment
from hwnas.jobs import host_timer
from hwnas.jobs.host_timer import HostTimer
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.events import Silent
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
