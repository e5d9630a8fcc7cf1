"""Costs that are counted and not guessed: multiply-adds, parameters, sizes of weights and activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.searching.codes import codes_of
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.searching.part_tables import PartTables
from hwnas.workloads.cost import WorkloadCost, workload_cost
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import PartModule, Space
from hwnas.workloads.spaces.workload import space_workload

#: Networks that are counted as a whole to learn how far their parts tell the memory.
_WHOLE = 12
#: Of the logarithm: a handful of networks that happen to agree do not prove that all do.
_LEAST_SPREAD = 0.02


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

    closely_exact = True

    def __init__(self, space: Space, name: str, *, batch: int = 1) -> None:
        if name not in COUNTED:
            raise UnknownName("count", name, COUNTED)
        self.name = name
        self._count = COUNTED[name]
        self.unit = self._count.unit
        self._space, self._batch = space, batch
        self._known: dict[str, float] = {}
        self._screen: Callable[[np.ndarray], Estimate] | None = None

    def screen(self, codes: np.ndarray) -> Estimate:
        """Exact, shape ``(n,)``; for memory, which is no sum of parts', nearly so."""
        if self._screen is None:
            part = self._count.part
            self._screen = self._memory_by_parts() if part is None else self._sums(part)
        return self._screen(codes)

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

    def _sums(self, part: Callable[[PartModule], float]) -> Callable[[np.ndarray], Estimate]:
        tables = PartTables(self._space, lambda module: (part(module),))
        return lambda codes: Estimate.exact(tables.sums(codes)[:, 0])

    def _memory_by_parts(self) -> Callable[[np.ndarray], Estimate]:
        """Weights of all parts and the most that one of them takes at its peak, made true by whole networks.

        What else is kept meanwhile, such as the input of a part that is added to its result, is not in there.
        """
        tables = PartTables(self._space, self._weights_and_peak, width=2)

        def by_parts(codes: np.ndarray) -> np.ndarray:
            return np.asarray(tables.sums(codes)[:, 0] + tables.largest(codes)[:, 1])

        shift, spread = _ratio(self._whole_networks(by_parts))
        return lambda codes: Estimate(by_parts(codes) * math.exp(shift), np.full(len(codes), spread))

    def _weights_and_peak(self, part: PartModule) -> Sequence[float]:
        import torch

        from hwnas.workloads.memory import activation_memory, weights_bytes

        inputs = tuple(torch.empty(self._batch, *shape, device="meta") for shape in part.input_shapes)
        peak = activation_memory(part.module.eval(), inputs, "a part of a space").peak_bytes
        return weights_bytes(part.module), peak

    def _whole_networks(self, by_parts: Callable[[np.ndarray], np.ndarray]) -> Iterable[float]:
        """Logarithms of whole over parts, of some networks of the space."""
        codes = codes_of(self._space)
        for row in codes.sample(_WHOLE, np.random.default_rng(0)):
            try:
                whole = self.estimate(codes.decode(row)).median[0]
            except HwnasError:
                continue
            yield math.log(whole / by_parts(row[None])[0])


def _ratio(logs: Iterable[float]) -> tuple[float, float]:
    """Mean and standard deviation; a factor of two where nothing is known."""
    found = np.array(list(logs))
    if len(found) < 2:
        return 0.0, math.log(2)
    return float(found.mean()), max(_LEAST_SPREAD, float(found.std(ddof=1)))
