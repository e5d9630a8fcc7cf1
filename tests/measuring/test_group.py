"""One group, with arms that stand for workers: what fails leaves nothing behind that others need."""

from __future__ import annotations

from typing import ClassVar

import pytest

from hwnas.core.errors import CellError, WorkerDied
from hwnas.core.measurement import Block, Preparation, Status
from hwnas.measuring import group
from hwnas.measuring.counting import Counting
from hwnas.measuring.estimate import CellCost
from hwnas.measuring.plan import Group
from hwnas.measuring.settings import Settings
from hwnas.workloads.patterns import pattern_workload

TINY = pattern_workload("standard", depth=1, width=8, resolution=8)


class _Worker:
    def __init__(self, backend_id: str) -> None:
        self.backend_id = backend_id

    def resident_bytes(self) -> int:
        return 0


class _Crew:
    cpus = None

    def __init__(self) -> None:
        self.retired: list[str] = []

    def resident_bytes(self) -> int:
        return 0

    def worker(self, backend_id: str) -> _Worker:
        return _Worker(backend_id)

    def ensure_reference(self, *_: object) -> None:
        pass

    def retire(self, name: str) -> None:
        self.retired.append(name)


class _Arm:
    """Fails in the step that its backend is called after; the dead one cannot be asked any more."""

    released: ClassVar[list[str]] = []
    preparation, agreement, peak_memory_bytes = Preparation(), None, None
    calls_per_sample, kernels, counters = 1, (), ()
    effective: ClassVar[dict[str, object]] = {}

    def __init__(self, worker: _Worker, settings: Settings, memory_limit_bytes: int) -> None:
        self._name = worker.backend_id

    def prepare(self, *_: object) -> None:
        if self._name == "prepare":
            raise CellError("it computes something else")

    def turn(self, turn_s: float, block_s: float) -> list[Block]:
        if self._name in ("turn", "dead"):
            raise CellError("it fails")
        return [Block(0, 0.0, (1e-3,))]

    def release(self) -> None:
        if self._name == "dead":
            raise WorkerDied("it was ended before")
        self.released.append(self._name)


def test_an_arm_that_fails_gives_back_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the others would have to live in what it has left, in this cell and in the next one."""
    monkeypatch.setattr(group, "WorkerArm", _Arm)
    monkeypatch.setattr(group, "available_memory_bytes", lambda: 2**40)
    monkeypatch.setattr(_Arm, "released", [])
    crew, arms = _Crew(), ("good", "prepare", "turn", "dead")
    settings = Settings(min_rounds=2, budget_s=0.001)
    run = group.GroupRun(Group(TINY, 0, arms), CellCost(1e-3, 1.0, 0), settings, 1, crew, b"", "", Counting())
    found = run.measure(lambda: None)
    assert [m.status for m in found] == [Status.OK, Status.FAILED, Status.FAILED, Status.FAILED]
    assert sorted(_Arm.released) == ["good", "prepare", "turn"]
    assert crew.retired == ["dead"]
