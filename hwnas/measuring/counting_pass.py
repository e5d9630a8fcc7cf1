"""After timing: cache misses that cells still lack, stored one by one."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import CELL_FAILURES
from hwnas.core.measurement import Measurement, Status
from hwnas.core.workload import Workload
from hwnas.host.counters import CALLGRIND_MISSING, callgrind_source
from hwnas.measuring.arm import WorkerArm
from hwnas.measuring.callgrind import simulated_misses
from hwnas.measuring.counting import Counting, not_counted
from hwnas.measuring.crew import Crew
from hwnas.measuring.events import Progress, Watcher
from hwnas.measuring.plan import Plan
from hwnas.store import LatencyStore

#: Longest time for one command under the simulator, in which an inference takes minutes.
_SIMULATION_TIMEOUT_S = 7200.0

#: What a simulation is expected to take before one has ended: its start [s], and inferences that fill and
#: count, each a thousand times as long as without it.
_SIMULATION_START_S = 60.0
_SIMULATED_INFERENCES = 2 * 1000.0


@dataclass(frozen=True)
class _Task:
    """One count that a cell lacks."""

    measurement: Measurement
    source: str
    geometry: str | None

    @property
    def workload(self) -> Workload:
        return self.measurement.workload

    @property
    def place(self) -> tuple[str, str, str, str | None]:
        return self.workload.key, self.measurement.backend, self.source, self.geometry


def _process(task: _Task) -> tuple[str, str]:
    """Tasks that can share a process, other than under the simulator, where each has its own."""
    return task.source, task.measurement.backend


class Counted(NamedTuple):
    """What a counting pass leaves.

    Args:
        added: Counts that were asked for, and have a value since.
        missing: Counts that were asked for and have none, from this run or an earlier one.
        left: Simulations that were not started, since they would not have ended in time.
    """

    added: int
    missing: int
    left: int


class CountingPass:
    """Counts what is asked for and not in the database yet.

    Args:
        plan: Of the campaign.
        counting: What to count.
        store: Where it goes.
        campaign_uid: Whose cells.
        watcher: Told of progress.
        blobs: Workload key -> serialised live module.
        scratch: Folder that workers share.
    """

    def __init__(
        self,
        plan: Plan,
        counting: Counting,
        store: LatencyStore,
        campaign_uid: str,
        watcher: Watcher,
        blobs: Mapping[str, bytes],
        scratch: str,
    ) -> None:
        self._plan = plan
        self._experiment = plan.experiment
        self._counting = counting
        self._store = store
        self._campaign_uid = campaign_uid
        self._watcher = watcher
        self._blobs = blobs
        self._scratch = scratch
        self._callgrind_works = callgrind_source().available
        self._start = time.monotonic()
        self._added = self._failed = self._left = 0
        self._done = self._total = 0
        self._expected_done_s = self._expected_total_s = 0.0

    def run(self, until: float = math.inf) -> Counted:
        """Count what is missing.

        Args:
            until: Time of :func:`time.monotonic` by which the last simulation should end. Other counts take
                about a second, and do not wait.

        Raises:
            DatabaseError: A count could not be stored; those before it are.
        """
        tasks = self._missing()
        self._total = len(tasks)
        self._expected_total_s = sum(map(self._expected_s, tasks))
        self._in_workers([t for t in tasks if t.source != "callgrind"])
        self._under_callgrind([t for t in tasks if t.source == "callgrind"], until)
        return Counted(self._added, self._failed, self._left)

    def _missing(self) -> list[_Task]:
        """In an order that starts as few processes as possible; cells in random order within it."""
        first: dict[tuple[str, str], Measurement] = {}
        stored = self._store.measurements(
            campaign_uid=self._campaign_uid, status=str(Status.OK), with_samples=False, with_kernels=False
        )
        has_value: dict[tuple[str, str, str, str | None], bool] = {}
        for m in (s.measurement for s in stored):
            cell = (m.workload.key, m.backend)
            if cell not in first or m.pass_index < first[cell].pass_index:
                first[cell] = m
            for c in m.counters:
                if c.event == LLC_MISSES and self._settled(c):
                    count = (*cell, c.source, c.geometry)
                    has_value[count] = has_value.get(count, False) or c.value is not None
        wanted = [
            _Task(m, *kind) for m in first.values() for kind in self._counting.wanted(m.workload, m.backend)
        ]
        tasks = [t for t in wanted if t.place not in has_value]
        self._failed = sum(not has_value.get(t.place, True) for t in wanted)
        random.Random(self._experiment.settings.seed).shuffle(tasks)
        place = {t.workload.key: n for n, t in enumerate(tasks)}
        return sorted(tasks, key=lambda t: (*_process(t), place[t.workload.key]))

    def _settled(self, counter: Counter) -> bool:
        """Whether to leave a stored count alone: all but those that waited for a simulator that is here now.

        What failed otherwise costs up to hours to try again, so it waits until the user asks for it.
        """
        missing = counter.value is None and CALLGRIND_MISSING in counter.reason
        return not (missing and self._callgrind_works)

    def _in_workers(self, tasks: list[_Task]) -> None:
        with Crew(self._experiment.threads, self._experiment.settings.cell_timeout_s) as crew:
            for _, group in itertools.groupby(tasks, key=lambda t: (*_process(t), t.workload.key)):
                same = list(group)
                self._tell(same[0])
                self._keep(same, partial(self._in_worker, same[0], crew))

    def _in_worker(self, task: _Task, crew: Crew) -> list[Counter]:
        settings, blob = self._experiment.settings, self._blobs.get(task.workload.key, b"")
        worker = crew.worker(task.measurement.backend)
        if task.source == "model":
            # Nothing is run: neither a proof nor a warm-up is needed.
            worker.call("load", timeout_s=settings.cell_timeout_s, blob=blob, workload=task.workload.to_dict())
            caches = [str(g) for g in self._counting.caches]
            answer = worker.call("model", timeout_s=settings.cell_timeout_s, caches=caches)
            return [Counter.from_dict(c) for c in answer["counters"]]
        crew.ensure_reference(task.workload, blob, Path(self._scratch), settings.cell_timeout_s)
        arm = WorkerArm(worker, settings, None)
        arm.prepare(task.workload, blob, self._scratch)
        arm.count(task.source, self._counting.caches)
        return list(arm.counters)

    def _under_callgrind(self, tasks: list[_Task], until: float) -> None:
        """Each where it should end in time, by what those before it took; a shorter one may still fit."""
        geometries = {str(g.with_power_of_two_sets()): g for g in self._counting.caches}
        took_s = expected_s = 0.0
        for task in tasks:
            pace = took_s / expected_s if expected_s else 1.0
            start = time.monotonic()
            if start + pace * self._expected_s(task) > until:
                self._left += 1
                continue
            self._tell(task)
            self._keep([task], partial(self._simulated, task, geometries[task.geometry or ""]))
            took_s += time.monotonic() - start
            expected_s += self._expected_s(task)

    def _simulated(self, task: _Task, geometry: CacheGeometry) -> list[Counter]:
        blob = self._blobs.get(task.workload.key, b"")
        return [
            simulated_misses(
                task.measurement.backend,
                self._experiment.threads,
                geometry,
                _SIMULATION_TIMEOUT_S,
                task.workload,
                blob,
            )
        ]

    def _keep(self, tasks: list[_Task], count: Callable[[], list[Counter]]) -> None:
        """Store what `count` finds, or why it found nothing."""
        task = tasks[0]
        try:
            counters = count()
        except CELL_FAILURES as error:
            kinds = [(t.source, t.geometry) for t in tasks]
            counters = list(not_counted(kinds, self._experiment.threads, str(error)))
            cell = f"{task.workload.label} on {task.measurement.backend}"
            self._watcher.notice(f"{cell}: no cache misses by {task.source}: {error}")
        with self._store.writing() as writer:
            writer.counters(task.measurement.uid, counters)
        wanted = {(t.source, t.geometry) for t in tasks}
        found = [c for c in counters if c.event == LLC_MISSES and (c.source, c.geometry) in wanted]
        self._added += sum(c.value is not None for c in found)
        self._failed += sum(c.value is None for c in found)
        self._done += len(tasks)
        self._expected_done_s += sum(map(self._expected_s, tasks))

    def _expected_s(self, task: _Task) -> float:
        """A rough guess [s]: a simulation costs what the network computes, the rest about a second."""
        if task.source != "callgrind":
            return 1.0
        # Valgrind runs one thread at a time.
        alone_s = self._plan.cost(task.workload).inference_s * self._experiment.threads
        return _SIMULATION_START_S + _SIMULATED_INFERENCES * alone_s

    def _tell(self, task: _Task) -> None:
        elapsed = time.monotonic() - self._start
        pace = elapsed / self._expected_done_s if self._expected_done_s else None
        self._watcher.progress(
            Progress(
                done=self._done,
                total=self._total,
                elapsed_s=elapsed,
                remaining_s=(self._expected_total_s - self._expected_done_s) * pace if pace else None,
                workload=task.workload,
                pass_index=task.measurement.pass_index,
                passes=0,
                activity=f"counting cache misses by {task.source} on {task.measurement.backend}",
            )
        )
