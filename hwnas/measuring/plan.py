"""What is left to measure: the cells of an experiment less those already in the database."""

from __future__ import annotations

import random
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.measuring.estimate import COMMON_MACS_PER_S, CellCost, cell_cost
from hwnas.measuring.experiment import Experiment
from hwnas.store import LatencyStore
from hwnas.workloads.cost import WorkloadCost, workload_cost


@dataclass(frozen=True)
class Group:
    """The arms of one workload that are interleaved in one pass.

    Args:
        workload: What runs.
        pass_index: From 0.
        backends: Arms to measure, in the experiment's order.
        first: Those of them that were never measured: what they run is read and counted this time.
    """

    workload: Workload
    pass_index: int
    backends: tuple[str, ...]
    first: frozenset[str] = frozenset()


class Plan:
    """Groups in the order in which they will run, and what is done already.

    A group is stored whole, so it is either done or open. An arm that is skipped, refused, or failed without
    ever having been measured takes no part in later passes. Where its failure was taken back to be tried again,
    it catches up in passes of its own, beside the baseline.

    Args:
        experiment: What to measure.
        costs: Workload key -> MACs, parameters and bytes.
        macs_per_s: Multiply-adds per second and thread, for the time that cells are expected to take.
    """

    def __init__(
        self,
        experiment: Experiment,
        costs: Mapping[str, WorkloadCost],
        macs_per_s: float = COMMON_MACS_PER_S,
    ) -> None:
        self.experiment = experiment
        self.costs = costs
        self._macs_per_s = macs_per_s
        self._done: set[tuple[str, int]] = set()
        self._cells: Tally[tuple[str, str]] = Tally()
        self._measured: set[tuple[str, str]] = set()
        self._failed: set[tuple[str, str]] = set()
        self._marked: set[tuple[str, str, int]] = set()
        self._unavailable: set[str] = set()
        self._ran: set[str] = set()
        self._extra: dict[int, list[Workload]] = {}

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        known: Mapping[str, WorkloadCost] | None = None,
        macs_per_s: float = COMMON_MACS_PER_S,
    ) -> Plan:
        """Count every workload of the experiment.

        Args:
            experiment: What to measure.
            known: Workload key -> cost, for what cannot be counted from its declaration.
            macs_per_s: Multiply-adds per second and thread; :mod:`hwnas.host.canary` tells this host's.

        Raises:
            UsageError: A model cannot be built, or does not take its input.
        """
        costs = dict(known or {})
        for workload in experiment.workloads:
            if workload.key not in costs:
                costs[workload.key] = workload_cost(workload)
        return cls(experiment, costs, macs_per_s)

    def mark_stored(self, store: LatencyStore, campaign_uid: str) -> None:
        """Leave out what this campaign has stored."""
        for stored in store.measurements(campaign_uid=campaign_uid, with_samples=False, with_kernels=False):
            m = stored.measurement
            self.mark(m.workload.key, m.backend, m.pass_index, m.status)

    def mark(self, workload_key: str, backend: str, pass_index: int, status: Status) -> None:
        """Note one finished cell; once, however often it is told."""
        if (workload_key, backend, pass_index) in self._marked:
            return
        self._marked.add((workload_key, backend, pass_index))
        self._done.add((workload_key, pass_index))
        self._cells[workload_key, backend] += 1
        (self._measured if status is Status.OK else self._failed).add((workload_key, backend))
        if status is Status.SKIPPED:
            self._unavailable.add(backend)
        if status is Status.OK:
            self._ran.add(backend)

    def is_done(self, workload: Workload, pass_index: int) -> bool:
        """Whether a pass of a workload is finished."""
        return (workload.key, pass_index) in self._done

    def expect_skipped(self, backend: str) -> None:
        """A backend that this host lacks takes no time."""
        self._unavailable.add(backend)

    def arms(self, workload: Workload) -> tuple[str, ...]:
        """The backends that can still be measured on this workload, in the experiment's order."""
        lost = {b for w, b in self._failed - self._measured if w == workload.key}
        return tuple(b for b in self.experiment.backends if b not in lost)

    def add_pass(self, pass_index: int, workloads: Iterable[Workload]) -> None:
        """Plan one more pass for some workloads."""
        self._extra[pass_index] = list(workloads)

    def groups(self, pass_index: int) -> list[Group]:
        """What is left of one pass, in random order: drift over hours must not look like depth."""
        planned = pass_index < self.experiment.settings.passes
        workloads = list(self.experiment.workloads if planned else self._extra.get(pass_index, ()))
        random.Random(f"{self.experiment.settings.seed}/{pass_index}").shuffle(workloads)
        open_workloads = [w for w in workloads if (w.key, pass_index) not in self._done]
        return [self._group(w, pass_index, self.arms(w)) for w in open_workloads if self.arms(w)]

    def catching_up(self) -> list[Group]:
        """The next pass of arms that have fewer than the others, beside the baseline.

        None while a planned pass is open.
        """
        return [groups[0] for w in self.experiment.workloads if (groups := self._catching_up(w))]

    def _catching_up(self, workload: Workload) -> list[Group]:
        passes = self.experiment.settings.passes
        if not self._is_complete(workload):
            return []
        arms = self.arms(workload)
        lacking = {b: passes - self._cells[workload.key, b] for b in arms}
        baseline = self.experiment.backends[0]
        if lacking.get(baseline, 0) > 0:
            # Every speedup needs its passes.
            lacking = dict.fromkeys(arms, lacking[baseline])
        start = self._next_pass(workload)
        found = []
        for further in range(max(lacking.values(), default=0)):
            behind = [b for b in arms if lacking[b] > further or b == baseline]
            found.append(self._group(workload, start + further, tuple(behind)))
        return found

    def complete(self) -> list[Workload]:
        """Workloads whose planned passes are over and that can be measured."""
        return [w for w in self.experiment.workloads if self._is_complete(w) and self.arms(w)]

    def _is_complete(self, workload: Workload) -> bool:
        return all((workload.key, p) in self._done for p in range(self.experiment.settings.passes))

    def further(self, workloads: Iterable[Workload]) -> list[Group]:
        """One more pass of workloads whose planned passes are over, each of all its arms."""
        found = [self._group(w, self._next_pass(w), self.arms(w)) for w in workloads]
        return [g for g in found if g.backends]

    def _next_pass(self, workload: Workload) -> int:
        return 1 + max((p for key, p in self._done if key == workload.key), default=-1)

    def _group(self, workload: Workload, pass_index: int, backends: tuple[str, ...]) -> Group:
        first = frozenset(b for b in backends if (workload.key, b) not in self._measured)
        return Group(workload, pass_index, backends, first)

    def _open_groups(self) -> list[Group]:
        passes = [*range(self.experiment.settings.passes), *self._extra]
        caught_up = [g for w in self.experiment.workloads for g in self._catching_up(w)]
        return [g for p in passes for g in self.groups(p)] + caught_up

    @property
    def done(self) -> int:
        """Cells that are finished."""
        return self._cells.total()

    @property
    def remaining(self) -> int:
        """Cells still to measure."""
        return sum(len(g.backends) for g in self._open_groups())

    @property
    def total(self) -> int:
        """Cells done and still to measure."""
        return self.done + self.remaining

    def cost(self, workload: Workload) -> CellCost:
        """Expected cost of one arm in one pass."""
        return cell_cost(
            workload,
            self.costs[workload.key],
            self.experiment.threads,
            self.experiment.settings,
            self._macs_per_s,
        )

    def group_s(self, group: Group) -> float:
        """Expected time of a group [s]; arms known to be unavailable cost nothing."""
        # Where a backend ran another network, what it skipped was that network alone.
        missing = self._unavailable - self._ran
        arms = [b for b in group.backends if b not in missing]
        return self.cost(group.workload).total_s * len(arms)

    def remaining_s(self) -> float:
        """Expected time of what is left [s], before progress corrects it."""
        return sum(self.group_s(g) for g in self._open_groups())
