"""The way back: from the folder of an export to a network with its weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from hwnas.backends.torch_session import flatten
from hwnas.exporting.declaration import Declaration
from hwnas.exporting.file_names import ARCHITECTURE, WEIGHTS
from hwnas.training.weights import put, read_tensors


def rebuilt(folder: str | Path) -> nn.Module:
    """The network of an export, in eval mode, with its weights.

    Args:
        folder: That `hwnas export` wrote.

    Raises:
        UnknownName: This hwnas does not know the network or its space.
        UsageError: A file is missing or damaged, or this hwnas builds the network in another way.
    """
    place = Path(folder)
    network = Declaration.read(place / ARCHITECTURE).build()
    tensors, _ = read_tensors(place / WEIGHTS)
    put(network, tensors, place / WEIGHTS)
    return network.eval()


def output_shapes(network: nn.Module, input_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of a network's outputs for an input of zeros."""
    with torch.inference_mode():
        return [tuple(tensor.shape) for tensor in flatten(network(torch.zeros(input_shape)))]
