"""What networks of NAS-Bench-201 are made of.

Source: X. Dong, Y. Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search. ICLR
2020, arXiv:2001.00326, section 2.1 and figure 1, with their code for what these leave open.
"""

from __future__ import annotations

import torch
from torch import nn

from hwnas.workloads.spaces.layers import head


def relu_conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch normalisation; other edges read the same input, so the ReLU leaves it alone."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def operator(name: str, channels: int) -> nn.Module | None:
    """The module of an edge; None for ``none``, and the identity for ``skip_connect``."""
    match name:
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return relu_conv_bn(channels, channels, 1)
        case "nor_conv_3x3":
            return relu_conv_bn(channels, channels, 3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return None


class Reduction(nn.Module):
    """The residual block that halves the resolution between two stages.

    Args:
        in_channels: Channels read.
        out_channels: Channels written.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            relu_conv_bn(in_channels, out_channels, 3, stride=2), relu_conv_bn(out_channels, out_channels, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, in_channels, h, w)`` to ``(n, out_channels, h / 2, w / 2)``; h and w are even."""
        joined: torch.Tensor = self.shortcut(x) + self.convolutions(x)
        return joined


def normalised_head(channels: int, classes: int) -> nn.Sequential:
    """Batch normalisation, ReLU, pooling and a linear classifier."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True), head(channels, 0, classes))
