"""A campaign: passes over a plan, every group stored as soon as it is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.measurement import PROTOCOL_VERSION, Measurement, Status
from hwnas.measuring.busy import BusyWatch
from hwnas.measuring.counting_pass import CountingPass
from hwnas.measuring.crew import Crew
from hwnas.measuring.events import Progress, Watcher
from hwnas.measuring.group import GroupRun
from hwnas.measuring.plan import Group, Plan
from hwnas.measuring.scratch import scratch_folder
from hwnas.measuring.undecided import undecided
from hwnas.store import LatencyStore
from hwnas.store.writing import CellTakenError


@dataclass
class Outcome:
    """What one run of a campaign did.

    Args:
        campaign_uid: The campaign in the database.
        resumed: Cells that an earlier run had finished.
        counts: Status -> cells of this run.
        elapsed_s: Time that this run spent measuring and counting [s].
        counts_added: Cache-miss counts added after timing.
        counts_missing: Cache-miss counts that were asked for and have no value.
        counts_left: Simulations of cache misses that would not have ended in time, and were not started.
        inference_s: Part of it spent inside inference: warm-up, canary and timed calls [s].
    """

    campaign_uid: str
    resumed: int
    counts: dict[Status, int] = field(default_factory=dict)
    elapsed_s: float = 0.0
    counts_added: int = 0
    counts_missing: int = 0
    counts_left: int = 0
    inference_s: float = 0.0


class Campaign:
    """Runs a plan on this machine and stores what comes out.

    The caller holds the measuring lock.

    Args:
        plan: What to measure.
        store: Where it goes.
        environment: This machine.
        watcher: Told of progress.
        blobs: Workload key -> serialised live module, for ``module`` workloads.
    """

    def __init__(
        self,
        plan: Plan,
        store: LatencyStore,
        environment: Environment,
        watcher: Watcher,
        blobs: Mapping[str, bytes] | None = None,
    ) -> None:
        self.plan = plan
        self._experiment = plan.experiment
        self._store = store
        self._environment = environment
        self._watcher = watcher
        self._blobs = blobs or {}
        self._counting = self._experiment.cache_misses.on(environment)
        self._busy = BusyWatch()
        self._expected_so_far_s = 0.0
        self._entered = self._measured_s = 0.0

    def run(self, *, fresh: bool = False) -> Outcome:
        """Measure what is not in the database yet.

        Args:
            fresh: Start a new generation of the campaign, and measure everything.

        Raises:
            DatabaseError: The results cannot be stored; what was stored before stays.
        """
        settings = self._experiment.settings
        with self.opened(fresh=fresh) as outcome:
            for pass_index in range(settings.passes):
                self.measure(self.plan.groups(pass_index))
            while groups := self.plan.catching_up():
                self.measure(groups)
            open_workloads = list(self._experiment.workloads)
            for pass_index in range(settings.passes, settings.max_passes):
                open_workloads = undecided(
                    self._store,
                    outcome.campaign_uid,
                    open_workloads,
                    self.plan.arms,
                    latency_half_width=settings.latency_half_width,
                    reference=self.reference(),
                )
                self.plan.add_pass(pass_index, open_workloads)
                self.measure(self.plan.groups(pass_index))
            self.count()
        return outcome

    def reference(self) -> Mapping[str, float] | None:
        """Canary durations [s] that latencies on this host refer to; None before its first pass."""
        return self._store.canary_reference(self._environment, PROTOCOL_VERSION)

    @contextmanager
    def opened(self, *, fresh: bool = False) -> Iterator[Outcome]:
        """A run in steps of the caller's: :meth:`measure` and :meth:`count` work within, and fill the outcome.

        Args:
            fresh: Start a new generation of the campaign, and measure everything.
        """
        record = self._store.campaign(
            self._experiment.name, self._experiment.spec(), self._environment, fresh=fresh
        )
        self.plan.mark_stored(self._store, record.uid)
        self._outcome = Outcome(record.uid, resumed=self.plan.done)
        with scratch_folder() as self._scratch:
            yield self._outcome

    def measure(self, groups: Sequence[Group], until: float = math.inf) -> bool:
        """Measure groups by fresh processes and store each.

        Args:
            groups: Of this campaign's plan.
            until: Time of :func:`time.monotonic` by which the last of them should end.

        Returns:
            False where the time was not enough for all of them.

        Raises:
            DatabaseError: The results cannot be stored; what was stored before stays.
        """
        if not groups:
            return True
        outcome = self._outcome
        complete = True
        with (
            self._measuring(),
            Crew(self._experiment.threads, self._experiment.settings.cell_timeout_s) as crew,
        ):
            for group in groups:
                if self.plan.is_done(group.workload, group.pass_index):
                    continue  # meanwhile, by an equal host that shares the database
                cost, expected_s = self.plan.cost(group.workload), self.plan.group_s(group)
                if time.monotonic() + expected_s * self._pace() > until:
                    complete = False
                    break
                blob = self._blobs.get(group.workload.key, b"")
                self._tell(group, "preparing")
                run = GroupRun(
                    group,
                    cost,
                    self._experiment.settings,
                    self._experiment.threads,
                    crew,
                    blob,
                    self._scratch,
                    self._counting,
                )
                measurements = run.measure(on_timing=partial(self._tell, group, "timing"))
                self._keep(measurements, outcome)
                self._expected_so_far_s += expected_s
        outcome.inference_s += crew.command_s.get("turn", 0.0)
        self._set_reference(outcome)
        return complete

    def count(self, until: float = math.inf) -> None:
        """Count the cache misses that are asked for and missing.

        Args:
            until: Time of :func:`time.monotonic` by which the last simulation should end.
        """
        outcome = self._outcome
        start = time.monotonic()
        # An earlier run may have been killed between its last group and this.
        self._set_reference(outcome)
        counting = CountingPass(
            self.plan,
            self._counting,
            self._store,
            outcome.campaign_uid,
            self._watcher,
            self._blobs,
            self._scratch,
        )
        try:
            outcome.counts_added, outcome.counts_missing, outcome.counts_left = counting.run(until)
        finally:
            outcome.elapsed_s += time.monotonic() - start

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        self._entered = time.monotonic()
        try:
            yield
        finally:
            spent_s = time.monotonic() - self._entered
            self._measured_s += spent_s
            self._outcome.elapsed_s += spent_s

    def _elapsed_s(self) -> float:
        """Time spent on groups, the one that is running included [s]."""
        return self._measured_s + time.monotonic() - self._entered

    def _pace(self) -> float:
        """Time taken over time expected, 1 before anything was measured."""
        return self._elapsed_s() / self._expected_so_far_s if self._expected_so_far_s else 1.0

    def _keep(self, measurements: list[Measurement], outcome: Outcome) -> None:
        """Store a group in one transaction: arms that were interleaved are found together or not at all."""
        try:
            self._write(measurements, outcome)
        except CellTakenError:
            # Equal hosts that share a database share their campaigns.
            self.plan.mark_stored(self._store, outcome.campaign_uid)
            self._watcher.notice(
                f"{measurements[0].workload.label} was measured meanwhile by an equal host on the same database"
            )
            return
        for m in measurements:
            self.plan.mark(m.workload.key, m.backend, m.pass_index, m.status)
            outcome.counts[m.status] = outcome.counts.get(m.status, 0) + 1
            outcome.inference_s += m.preparation.warmup_s or 0.0
        self._watcher.finished(measurements)
        notice = self._busy.judge(measurements)
        if notice:
            self._watcher.notice(notice)

    def _write(self, measurements: list[Measurement], outcome: Outcome) -> None:
        with self._store.writing() as writer:
            for m in measurements:
                cost = self.plan.costs[m.workload.key]
                writer.measurement(
                    m,
                    self._environment,
                    campaign_uid=outcome.campaign_uid,
                    macs=cost.macs,
                    parameters=cost.parameters,
                )

    def _set_reference(self, outcome: Outcome) -> None:
        """After the first pass on this host, fix the canary speed that corrected latencies refer to.

        It is the median of what was met so far: a correction reaches no further than it must, since what is
        wrong with a slope grows with the way it is carried. The quiet host would be a way off on most days.
        """
        if self.reference() is not None:
            return
        stored = self._store.measurements(campaign_uid=outcome.campaign_uid, with_kernels=False)
        readings = [b.canary_before_s for s in stored for b in s.measurement.blocks if b.canary_before_s]
        if readings:
            medians = {name: float(np.median([r[name] for r in readings])) for name in readings[0]}
            self._store.set_canary_reference(self._environment, PROTOCOL_VERSION, medians)

    def _tell(self, group: Group, activity: str) -> None:
        elapsed = self._elapsed_s()
        pace = self._pace() if self._expected_so_far_s else None
        self._watcher.progress(
            Progress(
                done=self.plan.done,
                total=self.plan.total,
                elapsed_s=elapsed,
                remaining_s=self.plan.remaining_s() * pace if pace else None,
                workload=group.workload,
                pass_index=group.pass_index,
                passes=max(self._experiment.settings.passes, group.pass_index + 1),
                activity=activity,
            )
        )
