"""Predicted latencies of networks that are being pruned."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from hwnas.netadapt.screening import ScreenedLatency
from hwnas.netadapt.structure import Structure, pruned
from hwnas.predicting.asked import declared
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.predictor import LatencyPredictor


class PredictedLatency:
    """Tells the upper end of the 90 % interval of a network's predicted latency [s].

    A latency that is held below a limit by this is below it with 95 % confidence on the predictor's host.
    Networks of equal structure, as fine-tuning leaves them, are compiled once: the predictor keeps them.

    Args:
        predictor: Of the host and backend that the network is for.
        images: An input of the network, float32, batch first.
    """

    def __init__(self, predictor: LatencyPredictor, images: torch.Tensor) -> None:
        self._predictor, self._images = predictor, images

    def __call__(self, network: nn.Module) -> float:
        """Upper end of the interval [s].

        Args:
            network: Any; its mode and its weights do not matter.

        Raises:
            CellError: The network cannot be predicted.
        """
        return self.interval(network)[2]

    def interval(self, network: nn.Module) -> tuple[float, float, float]:
        """Latency, and the ends of its 90 % interval [s].

        Args:
            network: As above.

        Raises:
            CellError: The network cannot be predicted.
        """
        found = self._predictor.predict(network, self._images)
        return found.latency_s, found.low_s, found.high_s

    def screen(
        self, network: nn.Module, structure: Structure, told: Callable[[str], None] = lambda text: None
    ) -> ScreenedLatency:
        """Estimates for all networks that lack channels of this one: it is compiled once for every group.

        Args:
            network: In eval mode; not changed.
            structure: Its own.
            told: Called with what is being done.

        Raises:
            CellError: The network cannot be compiled.
        """
        counts = {group.name: len(group.channels) for group in structure.groups}
        workload, _ = declared(network, self._images)
        screened = ScreenedLatency(self._predictor, workload, self._kernels(network), counts)
        for place, group in enumerate(structure.groups, 1):
            told(f"compiling without channels of {group.name} ({place} of {len(structure.groups)})")
            gone = group.channels[: len(group.channels) // 2]
            screened.learn(group.name, len(gone), self._kernels(pruned(network, structure, gone).eval()))
        return screened

    def _kernels(self, network: nn.Module) -> tuple[KernelFacts, ...]:
        return self._predictor.kernels(*declared(network, self._images))
