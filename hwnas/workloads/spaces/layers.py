"""What networks of spaces begin and end with, and what stands between their stages."""

from __future__ import annotations

from torch import nn


def convolution(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, activation: str = "relu"
) -> nn.Sequential:
    """A convolution without bias, batch normalisation and an activation; same padding at stride 1.

    Args:
        in_channels: Channels read.
        out_channels: Channels written.
        kernel: Height and width, odd.
        stride: Of both directions.
        groups: As many as channels for a depthwise one.
        activation: ``"relu"``, ``"relu6"``, or ``""`` for none.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if activation == "relu":
        layers.append(nn.ReLU(inplace=True))
    elif activation == "relu6":
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


def pooled_entry(in_channels: int, out_channels: int) -> nn.Sequential:
    """Halves the resolution by average pooling and sets the number of channels, at little cost of its own.

    Source: the transition layers of DenseNet (Huang et al. 2017, arXiv:1608.06993, section 3), with the pooling
    first, which takes a quarter of the multiply-adds.
    """
    return nn.Sequential(nn.AvgPool2d(2), convolution(in_channels, out_channels, 1))


def head(in_channels: int, features: int, classes: int, activation: str = "relu") -> nn.Sequential:
    """From the last feature map to scores ``(n, classes)``.

    Args:
        in_channels: Channels of the feature map.
        features: Channels of a 1 x 1 convolution before the pooling; 0 for none.
        classes: Of the answer.
        activation: Of that convolution.
    """
    layers: list[nn.Module] = [
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(1),
        nn.Linear(features or in_channels, classes),
    ]
    if features:
        layers.insert(0, convolution(in_channels, features, 1, activation=activation))
    return nn.Sequential(*layers)
