"""What is left to measure: the cells of an experiment less those already in the database."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.measuring.estimate import CellCost, cell_cost
from hwnas.measuring.experiment import Experiment
from hwnas.store import LatencyStore
from hwnas.workloads.cost import WorkloadCost, workload_cost


@dataclass(frozen=True)
class Group:
    """The arms of one workload that are interleaved in one pass.

    Args:
        workload: What runs.
        pass_index: From 0.
        backends: Arms still to measure, in the experiment's order.
    """

    workload: Workload
    pass_index: int
    backends: tuple[str, ...]


class Plan:
    """Groups in the order in which they will run, and what is done already.

    Args:
        experiment: What to measure.
        costs: Workload key -> MACs, parameters and bytes.
    """

    def __init__(self, experiment: Experiment, costs: Mapping[str, WorkloadCost]) -> None:
        self.experiment = experiment
        self.costs = costs
        self._stored: set[tuple[str, str, int]] = set()
        self._dropped: set[tuple[str, str]] = set()

    @classmethod
    def of(cls, experiment: Experiment, known: Mapping[str, WorkloadCost] | None = None) -> Plan:
        """Count every workload of the experiment.

        Args:
            experiment: What to measure.
            known: Workload key -> cost, for what cannot be counted from its declaration.

        Raises:
            UsageError: A model cannot be built, or does not take its input.
        """
        costs = dict(known or {})
        for workload in experiment.workloads:
            if workload.key not in costs:
                costs[workload.key] = workload_cost(workload)
        return cls(experiment, costs)

    def mark_stored(self, store: LatencyStore, campaign_uid: str) -> None:
        """Leave out what this campaign has stored."""
        found = store.measurements(campaign_uid=campaign_uid, with_samples=False, with_kernels=False)
        for stored in found:
            m = stored.measurement
            self.mark(m.workload.key, m.backend, m.pass_index, m.status)

    def mark(self, workload_key: str, backend: str, pass_index: int, status: Status) -> None:
        """Note one finished cell; an arm that is not OK takes no part in later passes."""
        self._stored.add((workload_key, backend, pass_index))
        if status is not Status.OK:
            self._dropped.add((workload_key, backend))

    def _open(self, workload: Workload, backend: str, pass_index: int) -> bool:
        key = workload.key
        return (key, backend, pass_index) not in self._stored and (key, backend) not in self._dropped

    def groups(self, pass_index: int) -> list[Group]:
        """What is left of one pass, in random order: drift over hours must not look like depth."""
        workloads = list(self.experiment.workloads)
        random.Random(f"{self.experiment.settings.seed}/{pass_index}").shuffle(workloads)
        groups = [
            Group(w, pass_index, tuple(b for b in self.experiment.backends if self._open(w, b, pass_index)))
            for w in workloads
        ]
        return [g for g in groups if g.backends]

    @property
    def total(self) -> int:
        """Cells of the whole plan: workloads x arms x passes."""
        return len(self.experiment.workloads) * len(self.experiment.backends) * self.experiment.settings.passes

    @property
    def remaining(self) -> int:
        """Cells still to measure."""
        return sum(len(g.backends) for p in range(self.experiment.settings.passes) for g in self.groups(p))

    def cost(self, workload: Workload) -> CellCost:
        """Expected cost of one arm in one pass."""
        return cell_cost(workload, self.costs[workload.key], self.experiment.threads, self.experiment.settings)

    def remaining_s(self) -> float:
        """Expected time of what is left [s], before progress corrects it."""
        passes = range(self.experiment.settings.passes)
        return sum(self.cost(g.workload).total_s * len(g.backends) for p in passes for g in self.groups(p))
