"""Measuring one group: prepare its arms, interleave them, and say what became of each."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hwnas.core.errors import CELL_FAILURES, BackendUnavailable
from hwnas.core.measurement import Measurement, Status
from hwnas.core.units import format_bytes
from hwnas.host.memory import available_memory_bytes
from hwnas.measuring.arm import WorkerArm
from hwnas.measuring.counting import Counting, not_counted
from hwnas.measuring.crew import Crew
from hwnas.measuring.estimate import CellCost
from hwnas.measuring.interleave import interleave
from hwnas.measuring.plan import Group
from hwnas.measuring.settings import Settings


class GroupRun:
    """One workload in one pass on its arms.

    Args:
        group: What to measure.
        cost: Expected cost of one arm.
        settings: The measuring protocol's parameters.
        threads: Threads of every arm.
        crew: The workers of this pass.
        blob: Serialised live module of a ``module`` workload, else empty.
        scratch: Folder that workers share.
        counting: Cache misses to count.
    """

    def __init__(
        self,
        group: Group,
        cost: CellCost,
        settings: Settings,
        threads: int,
        crew: Crew,
        blob: bytes,
        scratch: str,
        counting: Counting,
    ) -> None:
        self._group = group
        self._cost = cost
        self._settings = settings
        self._threads = threads
        self._crew = crew
        self._blob = blob
        self._scratch = scratch
        self._counting = counting
        self._identity = str(uuid.uuid4())
        self._fates: dict[str, Measurement] = {}

    def measure(self, on_timing: Callable[[], None]) -> list[Measurement]:
        """Every arm's measurement, whatever became of it, in the group's order.

        Args:
            on_timing: Called when the arms are ready and timing begins.
        """
        arms = self._prepare()
        if arms:
            on_timing()
            self._time(arms)
        return [self._fates[b] for b in self._group.backends]

    def _prepare(self) -> dict[str, WorkerArm]:
        # What the workers occupy from earlier cells will serve this one.
        budget = int((available_memory_bytes() + self._crew.resident_bytes()) * self._settings.memory_fraction)
        arms: dict[str, WorkerArm] = {}
        if self._cost.memory_bytes <= budget:
            try:
                self._crew.ensure_reference(
                    self._group.workload,
                    self._blob,
                    Path(self._scratch),
                    self._settings.cell_timeout_s,
                    budget,
                )
            except CELL_FAILURES as error:
                for backend_id in self._group.backends:
                    self._decide(backend_id, Status.FAILED, str(error))
                return arms
        for backend_id in self._group.backends:
            # All arms hold the network at the same time.
            needed = self._cost.memory_bytes * (len(arms) + 1)
            if needed > budget:
                reason = (
                    f"would need about {format_bytes(needed)} of memory, {format_bytes(budget)} may be used"
                )
                self._decide(backend_id, Status.REFUSED, reason)
                continue
            try:
                worker = self._crew.worker(backend_id)
            except CELL_FAILURES as error:
                self._decide(backend_id, _status_of(error), str(error))
                continue
            others = self._crew.resident_bytes() - worker.resident_bytes()
            arm = WorkerArm(worker, self._settings, max(budget - others, self._cost.memory_bytes))
            try:
                arm.prepare(self._group.workload, self._blob, self._scratch)
            except CELL_FAILURES as error:
                self._decide(backend_id, _status_of(error), str(error))
                self._let_go(backend_id, arm)
            else:
                arms[backend_id] = arm
        return arms

    def _time(self, arms: dict[str, WorkerArm]) -> None:
        rng = random.Random(f"{self._settings.seed}/{self._group.workload.key}/{self._group.pass_index}")
        result = interleave(arms, self._settings, rng, CELL_FAILURES)
        for backend_id, failure in result.failures.items():
            self._decide(backend_id, Status.FAILED, str(failure))
            self._let_go(backend_id, arms[backend_id])
        for backend_id, arm in arms.items():
            if backend_id in result.failures:
                continue
            remark = self._wind_up(backend_id, arm)
            self._fates[backend_id] = replace(
                self._bare(backend_id, Status.OK, ""),
                blocks=tuple(result.blocks[backend_id]),
                stop_reason=result.stop_reason,
                calls_per_sample=arm.calls_per_sample,
                preparation=arm.preparation,
                peak_memory_bytes=arm.peak_memory_bytes,
                effective={
                    **arm.effective,
                    "cpus": list(self._crew.cpus) if self._crew.cpus else None,
                    **({"kernels_missing": remark} if remark else {}),
                },
                agreement=arm.agreement,
                kernels=arm.kernels,
                counters=arm.counters,
            )

    def _wind_up(self, backend_id: str, arm: WorkerArm) -> str:
        """Read what really ran and count its cache misses, the first time, and let the network go.

        The samples are good whatever happens here: returns why there are no kernels, or an empty string.
        """
        remark = ""
        if backend_id in self._group.first:
            self._count(backend_id, arm)
            try:
                arm.read_kernels(self._counting.caches)
            except CELL_FAILURES as error:
                remark = str(error)
        self._let_go(backend_id, arm)
        return remark

    def _let_go(self, backend_id: str, arm: WorkerArm) -> None:
        """Give back what the network occupies: other arms need it."""
        try:
            arm.release()
        except CELL_FAILURES:
            self._crew.retire(backend_id)

    def _count(self, backend_id: str, arm: WorkerArm) -> None:
        """Cache misses by each source, or why there are none."""
        for source in self._counting.in_worker:
            try:
                arm.count(source, self._counting.caches)
            except CELL_FAILURES as error:
                wanted = self._counting.wanted(self._group.workload, backend_id)
                missed = [kind for kind in wanted if kind[0] == source]
                arm.counters += not_counted(missed, self._threads, str(error))

    def _decide(self, backend_id: str, status: Status, reason: str) -> None:
        self._fates[backend_id] = self._bare(backend_id, status, reason)

    def _bare(self, backend_id: str, status: Status, reason: str) -> Measurement:
        return Measurement(
            uid=str(uuid.uuid4()),
            group=self._identity,
            workload=self._group.workload,
            backend=backend_id,
            threads=self._threads,
            pass_index=self._group.pass_index,
            status=status,
            reason=reason,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _status_of(error: Exception) -> Status:
    return Status.SKIPPED if isinstance(error, BackendUnavailable) else Status.FAILED
