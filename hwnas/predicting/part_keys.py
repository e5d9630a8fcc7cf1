"""What lookup tables call the parts of a search space: inverted bottlenecks, and what follows the last one."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from hwnas.predicting.block_key import BlockKey
from hwnas.workloads.spaces.mbconv_block import InvertedResidual, SqueezeExcitation
from hwnas.workloads.spaces.mbconv_space import MBConvSpace
from hwnas.workloads.spaces.space import PartModule, Shape, Space

_SCORES = [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]


class Piece(NamedTuple):
    """A part, or what of it has a key of its own.

    Args:
        name: Within the part; empty where it is all of it.
        part: Its module with what that reads.
        key: In lookup tables; None where their format has none for it.
    """

    name: str
    part: PartModule
    key: str | None


def with_squeezing(space: Space) -> bool:
    """Whether blocks may have squeeze-and-excitation; keys of Once-for-All tell it, ProxylessNAS has none."""
    return isinstance(space, MBConvSpace) and any(any(stage.se) for stage in space.stages)


def pieces_of(part: PartModule, *, squeezing: bool) -> list[Piece]:
    """A part as lookup tables have it: as a whole, but for a classifier behind a convolution.

    Args:
        part: Of any space.
        squeezing: Of :func:`with_squeezing`.
    """
    module = part.module
    if isinstance(module, InvertedResidual):
        return [Piece("", part, str(_block(module, part.input_shapes[0], squeezing=squeezing)))]
    layers = list(module) if isinstance(module, nn.Sequential) else []
    last = layers[-1] if layers else None
    kinds = [type(layer) for layer in layers[-3:]]
    if not isinstance(last, nn.Linear) or kinds != _SCORES or len(layers) > 4:
        return [Piece("", part, None)]
    classes = last.out_features
    channels, height, width = part.input_shapes[0]
    shape = (height, width, channels)
    if len(layers) == 3:
        return [Piece("", part, str(BlockKey("Logits", shape, (classes,))))]
    convolution, scores = layers[0], nn.Sequential(*layers[1:])
    features = last.in_features
    behind = (height, width, features)
    return [
        Piece("Conv_1", PartModule(convolution, part.input_shapes), str(BlockKey("Conv_1", shape, behind))),
        Piece(
            "Logits",
            PartModule(scores, ((features, height, width),)),
            str(BlockKey("Logits", behind, (classes,))),
        ),
    ]


def _block(block: InvertedResidual, reads: Shape, *, squeezing: bool) -> BlockKey:
    channels, height, width = reads
    firsts = [layer[0] for layer in block.layers if isinstance(layer, nn.Sequential)]
    *_, depthwise, last = [layer for layer in firsts if isinstance(layer, nn.Conv2d)]
    middle, stride = depthwise.out_channels, depthwise.stride[0]
    squeezed = any(isinstance(layer, SqueezeExcitation) for layer in block.layers)
    return BlockKey(
        "expanded_conv",
        (height, width, channels),
        ((height - 1) // stride + 1, (width - 1) // stride + 1, last.out_channels),
        # ProxylessNAS has the ratio there, Once-for-All the channels.
        expand=middle if squeezing else middle // channels,
        kernel=depthwise.kernel_size[0],
        stride=stride,
        idskip=block.shortcut,
        se=squeezed if squeezing else None,
        hs=False if squeezing else None,
    )
