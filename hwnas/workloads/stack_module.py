"""Torch modules of pattern stacks."""

from __future__ import annotations

import torch
from torch import nn

from hwnas.workloads.initialisation import initialise_stack
from hwnas.workloads.pattern_definition import Convolution
from hwnas.workloads.patterns import PatternStack
from hwnas.workloads.randomness import generator


def stack_skeleton(stack: PatternStack) -> nn.Sequential:
    """The stack on the meta device, in eval mode: shapes without memory.

    All layers stand in one flat sequence; nested ones would keep each block's input alive.
    """
    with torch.device("meta"):
        return nn.Sequential(*stack_layers(stack)).eval()


def stack_layers(stack: PatternStack) -> list[nn.Module]:
    """The stack's layers in order of execution, in training mode, with PyTorch's own initialisation."""
    return [layer for _ in range(stack.depth) for c in stack.block for layer in _layers(c)]


def _layers(convolution: Convolution) -> list[nn.Module]:
    height, width = convolution.kernel
    layers: list[nn.Module] = [
        nn.Conv2d(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel,
            padding=(height // 2, width // 2),
            groups=convolution.groups,
            bias=False,
        ),
        nn.BatchNorm2d(convolution.out_channels),
    ]
    if convolution.activation == "relu":
        layers.append(nn.ReLU(inplace=True))
    elif convolution.activation == "relu6":
        layers.append(nn.ReLU6(inplace=True))
    return layers


def stack_module(stack: PatternStack, seed: int) -> nn.Sequential:
    """The stack with initialised weights; its batch normalisations are not calibrated yet.

    Raises:
        UsageError: The seed is out of range.
    """
    module = stack_skeleton(stack).to_empty(device="cpu")
    initialise_stack(module, generator(seed))
    return module
