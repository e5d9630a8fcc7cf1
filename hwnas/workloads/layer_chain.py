"""Chains of layers written down as text: networks that exist to measure their kernels.

``c64k3s2,n,r|c64k3g64,n,h,e16|+|m3s2|p|l10`` is a convolution to 64 channels with a 3x3 window and stride 2,
batch normalisation and ReLU; a depthwise one with hard swish and squeeze-and-excitation over 16 channels, and
the input of that step added; a maximum pooling; a global pooling and a linear layer. Steps are parted by ``|``
and run one after the other:

====================  ========================================================================================
``c64k3s2d1g8b``      convolution: channels, window (``k1x7``: height, width), stride, dilation, groups, bias
``n``, ``y4``         batch normalisation; ConvNeXt's norm and perceptron, four times as wide inside
``r 6 h s g t``       ReLU, ReLU6, hard swish, SiLU, GELU, sigmoid
``e16``, ``x2``       squeeze-and-excitation over 16 channels; channels shuffled between 2 groups
``m3s2``, ``a3s2``    maximum and average pooling: window, stride
``p``, ``p7``         pooled to 1x1 or 7x7 and flattened
``l10``               linear layer
``u2``, ``U2``        enlarged twice: nearest pixels, or bilinear
``q4``, ``Q4``        attention between pixels with 4 heads: as products and a softmax, or as one operator
``v``, ``w4``         gated linear unit, which halves the channels; running sums over 4 groups of channels
``i3``                channels scaled by a convolution over the means of 3 neighbours
``+``, ``&``, ``*``   the input of the step before is added to its result, concatenated or multiplied with it
====================  ========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.chain_layers import (
    Attention,
    ChannelConvolution,
    Concatenated,
    Gated,
    GatedLinearUnit,
    Perceptron,
    SplitSums,
    WithResidual,
)
from hwnas.workloads.networks.shufflenet_v1 import ChannelShuffle
from hwnas.workloads.randomness import seeded
from hwnas.workloads.spaces.mbconv_block import SqueezeExcitation

_CONVOLUTION = re.compile(
    r"c(?P<out>\d+)k(?P<k>\d+)(?:x(?P<w>\d+))?(?:s(?P<s>\d+))?(?:d(?P<d>\d+))?(?:g(?P<g>\d+))?(?P<b>b?)"
)
_POOLING = re.compile(r"(?P<kind>[ma])(?P<k>\d+)s(?P<s>\d+)")
#: Layers with one number, which may be left out where there is a usual one.
_NUMBERED = re.compile(r"(?P<kind>[lpexyuUqQwi])(?P<number>\d*)")

#: What is done to the step before it.
_JOINS: dict[str, Callable[[nn.Module], nn.Module]] = {"+": WithResidual, "&": Concatenated, "*": Gated}

#: Letter -> activation.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "r": lambda: nn.ReLU(inplace=True),
    "6": lambda: nn.ReLU6(inplace=True),
    "h": lambda: nn.Hardswish(inplace=True),
    "s": lambda: nn.SiLU(inplace=True),
    "g": nn.GELU,
    "t": nn.Sigmoid,
}


def chain_workload(text: str, channels: int, size: int, *, batch: int = 1, seed: int = 0) -> Workload:
    """Declare a chain.

    Args:
        text: The layers, as this module's description writes them.
        channels: Of the input.
        size: Height and width of the input.
        batch: Images.
        seed: Of the random weights and of the input.

    Raises:
        UsageError: The text is not understood.
    """
    workload = Workload("layers", "chain", (batch, channels, size, size), {"layers": text}, seed)
    chain_module(workload)
    return workload


def chain_module(workload: Workload) -> nn.Sequential:
    """The chain on the meta device, in eval mode.

    Raises:
        UsageError: Not a chain, or its text is not understood.
    """
    text = workload.params.get("layers")
    if workload.kind != "layers" or not isinstance(text, str) or len(workload.input_shape) != 4:
        raise UsageError(f"{workload.name!r} is a {workload.kind} workload, not a chain of layers")
    with torch.device("meta"):
        return _Chain(text, workload.input_shape[1]).built().eval()


def initialised_chain(workload: Workload) -> nn.Sequential:
    """The chain with torch's own random weights; its batch normalisations are not calibrated yet.

    Raises:
        UsageError: Not a chain, or its text is not understood.
    """
    module = chain_module(workload).to_empty(device="cpu")
    with seeded(workload.seed):
        for layer in module.modules():
            if isinstance(layer, (nn.Conv2d, nn.Conv1d, nn.BatchNorm2d, nn.LayerNorm, nn.Linear)):
                layer.reset_parameters()
    return module


class _Chain:
    """Reads a chain's text, step by step.

    Args:
        text: All of it.
        channels: Of the input.
    """

    def __init__(self, text: str, channels: int) -> None:
        self._text = text
        self._channels = channels

    def built(self) -> nn.Sequential:
        steps: list[nn.Module] = []
        before = self._channels
        for part in self._text.split("|"):
            if part in _JOINS:
                if not steps:
                    raise UsageError(
                        f"the chain {self._text!r} begins with {part}, which joins the step before it",
                        f"Put a step before the {part}",
                    )
                steps.append(_JOINS[part](steps.pop()))
                self._channels += before if part == "&" else 0
                continue
            before = self._channels
            layers = [self._layer(token) for token in part.split(",")]
            steps.append(nn.Sequential(*layers) if len(layers) > 1 else layers[0])
        return nn.Sequential(*steps)

    def _layer(self, token: str) -> nn.Module:
        """The layer of a token; counts the channels behind it."""
        if found := _CONVOLUTION.fullmatch(token):
            return self._convolution(token, found)
        if found := _POOLING.fullmatch(token):
            window, stride = int(found["k"]), int(found["s"])
            self._check(token, window > 0 and stride > 0, "Give positive sizes")
            kind = nn.MaxPool2d if found["kind"] == "m" else nn.AvgPool2d
            return kind(window, stride, window // 2)
        if found := _NUMBERED.fullmatch(token):
            return self._numbered(token, found["kind"], found["number"])
        if token == "n":
            return nn.BatchNorm2d(self._channels)
        if token in ACTIVATIONS:
            return ACTIVATIONS[token]()
        if token == "v":
            self._check(token, self._channels % 2 == 0, f"{self._channels} channels cannot be halved")
            self._channels //= 2
            return GatedLinearUnit()
        raise UsageError(
            f"cannot read the layer {token!r} of the chain {self._text!r}",
            "Write layers such as c64k3s2,n,r|m3s2|p|l10",
        )

    def _convolution(self, token: str, found: re.Match[str]) -> nn.Module:
        before, self._channels = self._channels, int(found["out"])
        height = int(found["k"])
        window = height, int(found["w"] or height)
        stride, dilation, groups = (int(found[name] or 1) for name in ("s", "d", "g"))
        fits = min(self._channels, *window, stride, dilation, groups) >= 1
        fits = fits and not before % groups and not self._channels % groups
        self._check(token, fits, f"Groups must divide the {before} channels before it and those behind it")
        padding = dilation * (window[0] // 2), dilation * (window[1] // 2)
        return nn.Conv2d(
            before, self._channels, window, stride, padding, dilation, groups, bias=bool(found["b"])
        )

    def _numbered(self, token: str, kind: str, number: str) -> nn.Module:
        given = int(number) if number else 1
        self._check(token, given > 0 and (bool(number) or kind == "p"), "Give a positive number")
        channels = self._channels
        if kind == "l":
            self._channels = given
            return nn.Linear(channels, given)
        if kind == "p":
            self._channels *= given**2
            return nn.Sequential(nn.AdaptiveAvgPool2d(given), nn.Flatten(1))
        if kind == "e":
            return SqueezeExcitation(channels, given)
        if kind == "y":
            return Perceptron(channels, given)
        if kind in "uU":
            mode = "nearest" if kind == "u" else "bilinear"
            return nn.Upsample(scale_factor=float(given), mode=mode)
        if kind == "i":
            self._check(token, given % 2 == 1, "Give an odd number of neighbours")
            return ChannelConvolution(given)
        self._check(token, channels % given == 0, f"The groups or heads must divide {channels} channels")
        if kind in "qQ":
            return Attention(channels, given, fused=kind == "Q")
        return SplitSums(given) if kind == "w" else ChannelShuffle(given)

    def _check(self, token: str, fits: bool, remedy: str) -> None:
        if not fits:
            raise UsageError(f"the layer {token!r} of the chain {self._text!r} does not fit", remedy)
