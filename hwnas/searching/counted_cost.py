"""Costs that are counted and not guessed: multiply-adds, parameters, sizes of weights and activations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwnas.core.errors import UnknownName, UsageError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.workloads.cost import WorkloadCost, workload_cost
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.workload import space_workload

#: Name -> unit, and how the cost of a network tells it. Memory is that of eager PyTorch: weights, and the most
#: that inputs and intermediate results take at once.
COUNTED: dict[str, tuple[str, Callable[[WorkloadCost], int | None]]] = {
    "macs": ("", lambda cost: cost.macs),
    "parameters": ("", lambda cost: cost.parameters),
    "weights": ("bytes", lambda cost: cost.weights_bytes),
    "memory": ("bytes", lambda cost: cost.weights_bytes + cost.peak_activation_bytes),
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
        self.unit, self._count = COUNTED[name]
        self._space, self._batch = space, batch
        self._known: dict[str, float] = {}

    def estimate(self, architecture: Architecture) -> Estimate:
        """Exact; of length 1.

        Raises:
            UsageError: The network's operators cannot be counted.
        """
        workload = space_workload(self._space, architecture, batch=self._batch)
        if workload.key not in self._known:
            found = self._count(workload_cost(workload))
            if found is None:
                raise UsageError(f"{self.name} of {workload.label} cannot be counted", "Limit something else")
            images = self._batch if self.name == "macs" else 1
            self._known[workload.key] = found / images
        return Estimate.exact(np.array([self._known[workload.key]]))
