"""What connects the operators of a cell."""

from __future__ import annotations

import torch
from torch import nn


class Joined(nn.Module):
    """An operator whose result is added to what has arrived at a node before.

    Both are one part of a network, as runtimes fuse the sum with the operator.

    Args:
        operator: With one input.
    """

    def __init__(self, operator: nn.Module) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, x: torch.Tensor, arrived: torch.Tensor) -> torch.Tensor:
        """The operator's input and the sum so far to the new sum, of the shape of the latter."""
        total: torch.Tensor = self.operator(x) + arrived
        return total


class Concatenation(nn.Module):
    """Nodes side by side."""

    def forward(self, *nodes: torch.Tensor) -> torch.Tensor:
        """Several ``(n, c, h, w)`` to one of as many channels as all of them."""
        return torch.cat(nodes, dim=1)


class Zeros(nn.Module):
    """A node at which nothing arrives."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zeros in the same shape."""
        return torch.zeros_like(x)
