"""The parts of a chain that are no single layer of torch."""

from __future__ import annotations

import torch
from torch import nn


class WithResidual(nn.Module):
    """A step to whose result its input is added."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out."""
        return self.step(x) + x  # type: ignore[no-any-return]


class Concatenated(nn.Module):
    """A step whose input is kept before its result, as in DenseNet."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` to ``(n, c + step's channels, h, w)``."""
        return torch.cat([x, self.step(x)], 1)


class Perceptron(nn.Module):
    """Normalisation over channels and a perceptron for every pixel, with a residual.

    Source: Liu et al., A ConvNet for the 2020s, CVPR 2022, figure 4.

    Args:
        channels: Of the input.
        expansion: Width inside, in multiples of them.
    """

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, expansion * channels),
            nn.GELU(),
            nn.Linear(expansion * channels, channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out, ``(n, c, h, w)``."""
        return x + self.inside(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]
