"""ShuffleNet: grouped pointwise convolutions, and a shuffle that lets groups exchange their channels.

Source: X. Zhang, X. Zhou, M. Lin, J. Sun. ShuffleNet: An Extremely Efficient Convolutional Neural Network for
Mobile Devices. CVPR 2018, arXiv:1707.01083. Figure 2 shows the units, Table 1 the network and
its 137 M multiply-adds with three groups.
"""

from __future__ import annotations

import torch
from torch import nn

#: Units of the stages 2, 3 and 4; the first of each halves the resolution. Source: Table 1.
UNITS = (4, 8, 4)
#: Channels of stage 2 by the number of groups; each later stage doubles them. Source: Table 1, "1x".
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
_STEM_CHANNELS = 24
#: A unit's inner channels are a quarter of its output. Source: section 3.3.
_BOTTLENECK = 4


class ChannelShuffle(nn.Module):
    """Deals the channels of each group out over all groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` in the same shape; channel ``g * c / groups + i`` goes to ``i * groups + g``."""
        batch, channels, height, width = x.shape
        grouped = x.view(batch, self.groups, channels // self.groups, height, width)
        return grouped.transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleUnit(nn.Module):
    """One unit: the residual one at stride 1 (Figure 2 b), the concatenating one at stride 2 (Figure 2 c).

    Args:
        in_channels: Channels read.
        out_channels: Channels written; at stride 2 the pooled input is part of them.
        stride: 1 or 2.
        groups: Of the pointwise convolutions.
        first_groups: Of the first one, where it differs.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, groups: int, first_groups: int | None = None
    ) -> None:
        super().__init__()
        inner = out_channels // _BOTTLENECK
        computed = out_channels if stride == 1 else out_channels - in_channels
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, groups=first_groups or groups, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            ChannelShuffle(groups),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.Conv2d(inner, computed, 1, groups=groups, bias=False),
            nn.BatchNorm2d(computed),
        )
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, in_channels, h, w)`` to ``(n, out_channels, h / stride, w / stride)``."""
        computed = self.branch(x)
        joined = x + computed if self.pool is None else torch.cat([self.pool(x), computed], dim=1)
        result: torch.Tensor = self.relu(joined)
        return result


class ShuffleNetV1(nn.Module):
    """The network for ImageNet at its full width, "1x".

    Args:
        groups: Of the pointwise convolutions: 1, 2, 3, 4 or 8.
        classes: Of the answer.
    """

    def __init__(self, groups: int = 3, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _STEM_CHANNELS, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_STEM_CHANNELS),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        units: list[ShuffleUnit] = []
        channels = _STEM_CHANNELS
        for stage, count in enumerate(UNITS):
            wide = CHANNELS[groups] * 2**stage
            for number in range(count):
                # The very first pointwise convolution has too few channels to be grouped. Source: section 3.3.
                first_groups = None if units else 1
                units.append(ShuffleUnit(channels, wide, 1 if number else 2, groups, first_groups))
                channels = wide
        self.units = nn.Sequential(*units)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(n, 3, h, w)`` to ``(n, classes)``."""
        features = self.pool(self.units(self.stem(images)))
        scores: torch.Tensor = self.classifier(torch.flatten(features, 1))
        return scores
