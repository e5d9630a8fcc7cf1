"""Costs that are counted and not guessed: multiply-adds, parameters, sizes of weights and activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hwnas.core.errors import UnknownName, UsageError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.searching.part_sums import PartSums
from hwnas.workloads.cost import WorkloadCost, workload_cost
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import PartModule, Space
from hwnas.workloads.spaces.workload import space_workload


class _Count(NamedTuple):
    """How something is counted.

    Args:
        unit: Of the count.
        network: From the cost of a network.
        part: Of a part; None where parts do not add up.
    """

    unit: str
    network: Callable[[WorkloadCost], int | None]
    part: Callable[[PartModule], float] | None


def _weights(part: PartModule) -> float:
    from hwnas.workloads.memory import weights_bytes

    return weights_bytes(part.module)


def _macs(part: PartModule) -> float:
    from hwnas.workloads.spaces.build import part_counts

    return part_counts(part).macs


def _parameters(part: PartModule) -> float:
    from hwnas.workloads.spaces.build import part_counts

    return part_counts(part).parameters


#: Memory is that of eager PyTorch: weights, and the most that inputs and intermediate results take at once.
COUNTED: dict[str, _Count] = {
    "macs": _Count("", lambda cost: cost.macs, _macs),
    "parameters": _Count("", lambda cost: cost.parameters, _parameters),
    "weights": _Count("bytes", lambda cost: cost.weights_bytes, _weights),
    "memory": _Count("bytes", lambda cost: cost.weights_bytes + cost.peak_activation_bytes, None),
}


class CountedCost(CostModel):
    """A count of the whole network, on shapes alone.

    Args:
        space: Whose networks.
        name: One of :data:`COUNTED`: ``macs`` of one image, ``parameters``, ``weights`` [bytes], or ``memory``,
            the peak of one inference [bytes].
        batch: Images in one inference, for memory.

    Raises:
        UnknownName: Nothing of that name is counted.
    """

    def __init__(self, space: Space, name: str, *, batch: int = 1) -> None:
        if name not in COUNTED:
            raise UnknownName("count", name, COUNTED)
        self.name = name
        self._count = COUNTED[name]
        self.unit = self._count.unit
        self._space, self._batch = space, batch
        self._known: dict[str, float] = {}
        self._sums: PartSums | None = None

    def screen(self, codes: np.ndarray) -> Estimate | None:
        """Exact, shape ``(n, choices)``; None for memory, which is no sum of parts'."""
        if self._count.part is None:
            return None
        if self._sums is None:
            self._sums = PartSums(self._space, self._count.part)
        return Estimate.exact(self._sums.of(codes))

    def estimate(self, architecture: Architecture) -> Estimate:
        """Exact; of length 1.

        Raises:
            UsageError: The network's operators cannot be counted.
        """
        workload = space_workload(self._space, architecture, batch=self._batch)
        if workload.key not in self._known:
            found = self._count.network(workload_cost(workload))
            if found is None:
                raise UsageError(f"{self.name} of {workload.label} cannot be counted", "Limit something else")
            images = self._batch if self.name == "macs" else 1
            self._known[workload.key] = found / images
        return Estimate.exact(np.array([self._known[workload.key]]))
