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


class Gated(nn.Module):
    """A step whose result its input is multiplied with: two branches and their product."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out."""
        return x * self.step(x)  # type: ignore[no-any-return]


class GatedLinearUnit(nn.Module):
    """One half of the channels times the sigmoid of the other.

    Source: Dauphin et al., Language Modeling with Gated Convolutional Networks, ICML 2017, section 2.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` to ``(n, c / 2, h, w)``."""
        values, gates = x.chunk(2, 1)
        return values * gates.sigmoid()


class SplitSums(nn.Module):
    """Groups of channels, each with the sum of those before it added, side by side again.

    Source: the order of Gao et al., Res2Net, TPAMI 2021, equation 1, without its convolutions.

    Args:
        groups: How many; they divide the channels.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out."""
        parts = list(torch.split(x, x.shape[1] // self.groups, 1))
        for place in range(1, len(parts)):
            parts[place] = parts[place] + parts[place - 1]
        return torch.cat(parts, 1)


class ChannelConvolution(nn.Module):
    """Scales every channel by what a convolution over the means of its neighbours says.

    Source: Wang et al., ECA-Net, CVPR 2020, equation 9.

    Args:
        window: Of the convolution, odd.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 1, window, padding=window // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` in the same shape."""
        means = x.mean((2, 3)).unsqueeze(1)
        scales = self.convolution(means).sigmoid().transpose(1, 2).unsqueeze(3)
        return x * scales  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Every pixel attends to every other.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.

    Args:
        channels: Of the input.
        heads: They divide the channels.
        fused: Whether PyTorch's single operator runs it, or matrix products and a softmax.
    """

    def __init__(self, channels: int, heads: int, *, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.project = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out, ``(n, c, h, w)``."""
        n, c, h, w = x.shape
        projected = self.project(x.flatten(2).transpose(1, 2))
        q, k, v = projected.reshape(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            found = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            weights = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
            found = weights.softmax(-1) @ v
        out: torch.Tensor = self.out(found.transpose(1, 2).reshape(n, h * w, c))
        return out.transpose(1, 2).reshape(n, c, h, w)
