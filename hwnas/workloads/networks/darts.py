"""DARTS for ImageNet: cells found by differentiable search, stacked to a network.

Source: H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable Architecture Search. ICLR 2019,
arXiv:1806.09055. Figures 4 and 5 show the two cells of the second-order search, the appendix tells of the
network for ImageNet around them, Table 3 its size: 4.7 M parameters. The table's 574 M multiply-adds are not
explained; convolutions and classifier take 530 M.

At inference alone: no auxiliary head and no drop-path, which only training has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn


@dataclass(frozen=True)
class Edge:
    """One operation of a cell.

    Args:
        operation: A key of :data:`OPERATIONS`.
        source: Node that it reads: 0 and 1 are the outputs of the cell before the last and of the last cell,
            2 to 5 the nodes of this cell.
    """

    operation: str
    source: int


#: A cell: two edges for each of the nodes 2 to 5, which add them up. Its output is all four nodes side by side.
Cell = tuple[tuple[Edge, Edge], ...]


@dataclass(frozen=True)
class Genotype:
    """What the search found.

    Args:
        normal: The cell that keeps resolution and channels.
        reduction: The cell that halves the resolution and doubles the channels.
    """

    normal: Cell
    reduction: Cell


#: The cells of the second-order search on CIFAR-10. Source: Liu et al. 2019, figures 4 and 5.
SECOND_ORDER = Genotype(
    normal=(
        (Edge("sep_conv_3x3", 0), Edge("sep_conv_3x3", 1)),
        (Edge("sep_conv_3x3", 0), Edge("sep_conv_3x3", 1)),
        (Edge("sep_conv_3x3", 1), Edge("skip_connect", 0)),
        (Edge("skip_connect", 0), Edge("dil_conv_3x3", 2)),
    ),
    reduction=(
        (Edge("max_pool_3x3", 0), Edge("max_pool_3x3", 1)),
        (Edge("skip_connect", 2), Edge("max_pool_3x3", 1)),
        (Edge("max_pool_3x3", 0), Edge("skip_connect", 2)),
        (Edge("skip_connect", 2), Edge("max_pool_3x3", 1)),
    ),
)


def _pointwise(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def _depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    """One filter a channel, with the padding that keeps the image's size at stride 1."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(
        channels, channels, kernel, stride, padding, dilation=dilation, groups=channels, bias=False
    )


def _relu_conv_bn(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), _pointwise(in_channels, out_channels), nn.BatchNorm2d(out_channels))


def _separable(channels: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """ReLU, depthwise and pointwise convolution, normalisation; applied twice, as section 3.1 says."""
    return nn.Sequential(
        *(
            layer
            for step in (stride, 1)
            for layer in (
                nn.ReLU(),
                _depthwise(channels, kernel, step, dilation=1),
                _pointwise(channels, channels),
                nn.BatchNorm2d(channels),
            )
        )
    )


def _dilated_separable(channels: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """The same once, with a dilation of 2."""
    return nn.Sequential(
        nn.ReLU(),
        _depthwise(channels, kernel, stride, dilation=2),
        _pointwise(channels, channels),
        nn.BatchNorm2d(channels),
    )


class _HalvedSkip(nn.Module):
    """A skip connection at stride 2: one half of the channels from even pixels, the other from odd ones."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = _pointwise(in_channels, out_channels // 2, stride=2)
        self.odd = _pointwise(in_channels, out_channels // 2, stride=2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, in, h, w)`` to ``(n, out, h / 2, w / 2)``; h and w are even."""
        x = self.relu(x)
        normalised: torch.Tensor = self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))
        return normalised


def _skip(channels: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else _HalvedSkip(channels, channels)


def _max_pool(channels: int, stride: int) -> nn.Module:
    return nn.MaxPool2d(3, stride, padding=1)


def _average_pool(channels: int, stride: int) -> nn.Module:
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


#: What an edge may do, as functions of channels and stride: all of section 3.1 but "zero", which no edge of a
#: network has.
OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "sep_conv_3x3": _separable,
    "sep_conv_5x5": partial(_separable, kernel=5),
    "dil_conv_3x3": _dilated_separable,
    "dil_conv_5x5": partial(_dilated_separable, kernel=5),
    "max_pool_3x3": _max_pool,
    "avg_pool_3x3": _average_pool,
    "skip_connect": _skip,
}


def fit_input(in_channels: int, channels: int, *, halves: bool) -> nn.Module:
    """What a cell does first to each of its two inputs.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the cell's nodes.
        halves: Whether the input has twice the resolution of the cell's other one.
    """
    return _HalvedSkip(in_channels, channels) if halves else _relu_conv_bn(in_channels, channels)


class DartsCell(nn.Module):
    """One cell of the network.

    Args:
        cell: Its edges.
        before_last: Channels of the cell before the last.
        last: Channels of the last cell.
        channels: Channels of each node; the output has four times as many.
        reduces: Whether this cell halves the resolution.
        after_reduction: Whether the last cell did, so that the one before it gives twice the resolution.
    """

    def __init__(
        self, cell: Cell, before_last: int, last: int, channels: int, *, reduces: bool, after_reduction: bool
    ) -> None:
        super().__init__()
        self.fit_before_last = fit_input(before_last, channels, halves=after_reduction)
        self.fit_last = fit_input(last, channels, halves=False)
        self._sources = [(first.source, second.source) for first, second in cell]
        # Only what comes from outside the cell has the old resolution.
        self.edges = nn.ModuleList(
            OPERATIONS[edge.operation](channels, 2 if reduces and edge.source < 2 else 1)
            for pair in cell
            for edge in pair
        )

    def forward(self, before_last: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Two outputs of earlier cells to ``(n, 4 * channels, h, w)``."""
        nodes = [self.fit_before_last(before_last), self.fit_last(last)]
        for number, (first, second) in enumerate(self._sources):
            one, other = self.edges[2 * number], self.edges[2 * number + 1]
            nodes.append(one(nodes[first]) + other(nodes[second]))
        return torch.cat(nodes[2:], dim=1)


class Darts(nn.Module):
    """The network for ImageNet: images whose sides are multiples of 32 to 1000 classes.

    Args:
        genotype: The two cells.
        channels: Of a node in the first cells.
        cells: How many; those at one and at two thirds of the depth reduce.
        classes: Of the answer.
    """

    def __init__(
        self,
        genotype: Genotype = SECOND_ORDER,
        channels: int = 48,
        cells: int = 14,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.second_stem = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.cells = nn.ModuleList()
        # The second stem halves the resolution, as a reduction cell does.
        before_last, last, after_reduction = channels, channels, True
        for number in range(cells):
            reduces = number in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduces else 1
            edges = genotype.reduction if reduces else genotype.normal
            self.cells.append(
                DartsCell(edges, before_last, last, channels, reduces=reduces, after_reduction=after_reduction)
            )
            before_last, last, after_reduction = last, len(edges) * channels, reduces
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(n, 3, h, w)`` to ``(n, classes)``."""
        before_last = self.stem(images)
        last = self.second_stem(before_last)
        for cell in self.cells:
            before_last, last = last, cell(before_last, last)
        scores: torch.Tensor = self.classifier(torch.flatten(self.pool(last), 1))
        return scores
