"""Latency of a space's networks as a predictor tells it."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.predicting.network_model import CONFIDENCE
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.workload import space_workload

if TYPE_CHECKING:
    from hwnas.predicting.latency_table import LatencyTable
    from hwnas.predicting.predictor import LatencyPredictor

#: Of a table's logarithm around the prediction of the whole network, before any was predicted.
TABLE_SPREAD = 0.1
#: Weight of that guess, in networks.
_PRIOR_NETWORKS = 4.0


class TableLatency(CostModel):
    """Sums of a table, with one error for all networks.

    Args:
        space: Whose networks; the table must be of the same choices.
        table: Of the space.
        spread: Standard deviation of the logarithm of measured / table.
        name: Of the cost; None for the backend's.

    Raises:
        UsageError: The table is not one of the space.
    """

    unit = "s"

    def __init__(
        self, space: Space, table: LatencyTable, *, spread: float = TABLE_SPREAD, name: str | None = None
    ) -> None:
        table.check_space(space)
        # Codes have the columns of the space, and a table would read them as its own.
        if [(choice.name, choice.options) for choice in space.choices] != list(table.choices.items()):
            raise UsageError(
                f"the latency table has the choices or options of the space {space.name} in another order",
                "Make it with LatencyPredictor.table(space)",
            )
        self.name = name or f"latency {table.backend}"
        self.spread = spread
        self._space, self._table = space, table

    def screen(self, codes: np.ndarray) -> Estimate:
        """Of many networks, shape ``(n, choices)``."""
        import torch

        found = self._table.lookup(torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64)))
        return Estimate(found.numpy(), np.full(len(codes), self.spread))

    def estimate(self, architecture: Architecture) -> Estimate:
        """Of length 1."""
        latency_s = self._table.latency(self._space.canonical(architecture))
        return Estimate(np.array([latency_s]), np.array([self.spread]))


class PredictedLatency(CostModel):
    """A predictor's word on each network before it is tried, and its table for a fast look at many.

    What the table says is compared with the predictions of whole networks as they come, and corrected by their
    mean ratio.

    Args:
        space: Whose networks.
        predictor: Of a backend that this host can list kernels for.
        batch: Images in one inference.
        table: The predictor's table of the space; None to make it when it is first needed, which takes a while.

    Raises:
        UsageError: The table is of another backend or batch.
    """

    unit = "s"

    def __init__(
        self, space: Space, predictor: LatencyPredictor, *, batch: int = 1, table: LatencyTable | None = None
    ) -> None:
        if table is not None and (table.backend, table.batch) != (predictor.backend, batch):
            raise UsageError(
                f"the latency table is of {table.backend} at batch {table.batch}, and {predictor.backend} at "
                f"batch {batch} is asked for",
                "Make it with LatencyPredictor.table(space, batch=...)",
            )
        self.name = f"latency {predictor.backend}"
        self._space, self._predictor, self._batch = space, predictor, batch
        self._given = table
        self._known: dict[str, Estimate] = {}
        self._ratios: list[float] = []

    @cached_property
    def _table(self) -> TableLatency:
        table = self._given or self._predictor.table(self._space, batch=self._batch, whole_networks=0)
        return TableLatency(self._space, table)

    def screen(self, codes: np.ndarray) -> Estimate:
        """Of many networks, shape ``(n, choices)``: the table's sums, corrected."""
        found = self._table.screen(codes)
        weight = len(self._ratios) + _PRIOR_NETWORKS
        shift = sum(self._ratios) / weight
        squares = sum((ratio - shift) ** 2 for ratio in self._ratios) + _PRIOR_NETWORKS * TABLE_SPREAD**2
        own = np.mean([known.spread[0] for known in self._known.values()]) if self._known else TABLE_SPREAD
        return Estimate(
            found.median * math.exp(shift), np.full(len(codes), math.hypot(math.sqrt(squares / weight), own))
        )

    def estimate(self, architecture: Architecture) -> Estimate:
        """The prediction of the whole network with its interval; of length 1.

        Raises:
            CellError: The backend cannot compile the network, or the prediction would be a guess.
        """
        workload = space_workload(self._space, architecture, batch=self._batch)
        if workload.key not in self._known:
            prediction = self._predictor.predict(workload)
            self._known[workload.key] = Estimate.of_interval(
                prediction.latency_s, prediction.low_s, prediction.high_s, CONFIDENCE
            )
            if "_table" in self.__dict__:
                alone_s = self._table.estimate(architecture).median[0]
                self._ratios.append(math.log(prediction.latency_s / alone_s))
        return self._known[workload.key]
