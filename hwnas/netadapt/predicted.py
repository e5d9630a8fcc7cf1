"""Predicted latencies of networks that are being pruned."""

from __future__ import annotations

import torch
from torch import nn

from hwnas.netadapt.resizing import shapes_of
from hwnas.predicting.predictor import LatencyPredictor


class PredictedLatency:
    """Tells the upper end of the 90 % interval of a network's predicted latency [s].

    A latency that is held below a limit by this is below it with 95 % confidence. Networks of equal shapes, as
    fine-tuning leaves them, are compiled once.

    Args:
        predictor: Of the host and backend that the network is for.
        images: An input of the network, float32, batch first.
    """

    def __init__(self, predictor: LatencyPredictor, images: torch.Tensor) -> None:
        self._predictor, self._images = predictor, images
        self._known: dict[tuple[tuple[str, tuple[int, ...]], ...], float] = {}

    def __call__(self, network: nn.Module) -> float:
        """Upper end of the interval [s].

        Args:
            network: In eval mode, always the same one but for the number of its channels.

        Raises:
            CellError: The network cannot be predicted.
        """
        shapes = tuple(shapes_of(network).items())
        if shapes not in self._known:
            self._known[shapes] = self._predictor.predict(network, self._images).high_s
        return self._known[shapes]
