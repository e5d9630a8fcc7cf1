"""Marks: for every value of a tensor the label of its channel, kept as small as broadcasting allows."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hwnas.netadapt.channel_labels import FIXED


def fixed_mark(dimensions: int) -> torch.Tensor:
    """Of a tensor all of which must stay."""
    return torch.full((1,) * dimensions, FIXED)


def along(mark: torch.Tensor, shape: Sequence[int], dim: int) -> torch.Tensor | None:
    """The labels along one dimension, shape ``(shape[dim],)``; None where they differ along another one too.

    Args:
        mark: Of a tensor.
        shape: Of that tensor.
        dim: Of its dimensions.
    """
    if mark.numel() != mark.shape[dim]:
        return None
    return mark.flatten().expand(shape[dim])


def mark_along(labels: torch.Tensor, dimensions: int, dim: int) -> torch.Tensor:
    """The mark of a tensor whose labels differ along one dimension only."""
    return labels.reshape([-1 if place == dim else 1 for place in range(dimensions)])


def compressed(labels: torch.Tensor) -> torch.Tensor:
    """A mark with one place along every dimension in which labels are the same."""
    for dim in range(labels.ndim):
        first = labels.narrow(dim, 0, 1)
        if labels.shape[dim] > 1 and bool((labels == first).all()):
            labels = first
    return labels.clone()


def varying(mark: torch.Tensor) -> list[int]:
    """The dimensions along which labels differ."""
    return [dim for dim, size in enumerate(mark.shape) if size > 1]
