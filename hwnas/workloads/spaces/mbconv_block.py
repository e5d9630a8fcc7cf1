"""The inverted residual block, with or without squeeze-and-excitation.

Source: M. Sandler et al. MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018, arXiv:1801.04381,
figure 4 (d); J. Hu, L. Shen, G. Sun. Squeeze-and-Excitation Networks. CVPR 2018, arXiv:1709.01507; both:
M. Tan et al. MnasNet. CVPR 2019, arXiv:1807.11626, figure 7 (b).
"""

from __future__ import annotations

import torch
from torch import nn

from hwnas.workloads.spaces.layers import convolution

#: The squeezed channels are a quarter of those that the block reads. Source: Tan et al. 2019, section 4.1.
_SQUEEZE = 4


class SqueezeExcitation(nn.Module):
    """Scales every channel by what the means of all of them say.

    Args:
        channels: Read and written.
        squeezed: Channels in between.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, channels, h, w)`` in the same shape."""
        scaled: torch.Tensor = x * self.scale(x)
        return scaled


class InvertedResidual(nn.Module):
    """A widening 1 x 1, a depthwise and a linear 1 x 1 convolution, and a shortcut where shapes fit.

    Args:
        in_channels: Channels read.
        out_channels: Channels written.
        kernel: Side of the depthwise kernel, odd.
        stride: Of the depthwise convolution.
        expansion: Depthwise channels for each one read; at 1 the first convolution is left out.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int, *, squeeze: bool
    ) -> None:
        super().__init__()
        wide = expansion * in_channels
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(convolution(in_channels, wide, 1, activation="relu6"))
        layers.append(convolution(wide, wide, kernel, stride, groups=wide, activation="relu6"))
        if squeeze:
            layers.append(SqueezeExcitation(wide, max(1, in_channels // _SQUEEZE)))
        layers.append(convolution(wide, out_channels, 1, activation=""))
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, in_channels, h, w)`` to ``(n, out_channels, h / stride, w / stride)``, rounded up."""
        computed: torch.Tensor = self.layers(x)
        return x + computed if self.shortcut else computed
