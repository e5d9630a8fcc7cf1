"""Chains of layers written down as text: networks that exist to measure their kernels.

``c64k3s2,n,r|c64k3g64,n,h|+|m3s2|p|l10`` is a convolution to 64 channels with a 3x3 window and stride 2, batch
normalisation and ReLU; a depthwise one with hard swish and the input of that step added; a maximum pooling; a
global pooling and a linear layer. Steps are parted by ``|`` and run one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.randomness import seeded

_CONVOLUTION = re.compile(r"c(?P<out>\d+)k(?P<k>\d+)(?:s(?P<s>\d+))?(?:d(?P<d>\d+))?(?:g(?P<g>\d+))?")
_POOLING = re.compile(r"(?P<kind>[ma])(?P<k>\d+)s(?P<s>\d+)")
_LINEAR = re.compile(r"l(?P<out>\d+)")
_GLOBAL_POOLING, _RESIDUAL = "p", "+"

#: Letter -> activation.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "r": lambda: nn.ReLU(inplace=True),
    "6": lambda: nn.ReLU6(inplace=True),
    "h": lambda: nn.Hardswish(inplace=True),
    "s": lambda: nn.SiLU(inplace=True),
    "g": nn.GELU,
    "t": nn.Sigmoid,
}


class _WithResidual(nn.Module):
    """A step to whose result its input is added."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out."""
        return self.step(x) + x  # type: ignore[no-any-return]


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
    channels = workload.input_shape[1]
    steps: list[nn.Module] = []
    with torch.device("meta"):
        for part in text.split("|"):
            if part == _RESIDUAL:
                if not steps:
                    raise UsageError(
                        f"the chain {text!r} adds a residual to nothing", "Put a step before the +"
                    )
                steps.append(_WithResidual(steps.pop()))
                continue
            layers: list[nn.Module] = []
            for token in part.split(","):
                channels = _add(token, channels, layers, text)
            steps.append(nn.Sequential(*layers) if len(layers) > 1 else layers[0])
        return nn.Sequential(*steps).eval()


def initialised_chain(workload: Workload) -> nn.Sequential:
    """The chain with torch's own random weights; its batch normalisations are not calibrated yet.

    Raises:
        UsageError: Not a chain, or its text is not understood.
    """
    module = chain_module(workload).to_empty(device="cpu")
    with seeded(workload.seed):
        for layer in module.modules():
            if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.Linear)):
                layer.reset_parameters()
    return module


def _add(token: str, channels: int, layers: list[nn.Module], text: str) -> int:
    """Append the layer of a token; returns the channels behind it."""
    if found := _CONVOLUTION.fullmatch(token):
        out, k = int(found["out"]), int(found["k"])
        stride, dilation, groups = (int(found[name] or 1) for name in ("s", "d", "g"))
        if min(out, k, stride, dilation, groups) < 1 or channels % groups or out % groups:
            raise UsageError(
                f"the layer {token!r} of the chain {text!r} does not fit {channels} channels",
                "Groups must divide the channels before and behind it",
            )
        padding = dilation * (k // 2)
        layers.append(nn.Conv2d(channels, out, k, stride, padding, dilation, groups, bias=False))
        return out
    if found := _POOLING.fullmatch(token):
        kind = nn.MaxPool2d if found["kind"] == "m" else nn.AvgPool2d
        window, stride = int(found["k"]), int(found["s"])
        _check_positive(token, text, window, stride)
        layers.append(kind(window, stride, window // 2))
    elif found := _LINEAR.fullmatch(token):
        _check_positive(token, text, int(found["out"]))
        layers.append(nn.Linear(channels, int(found["out"])))
        return int(found["out"])
    elif token == _GLOBAL_POOLING:
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(1)]
    elif token == "n":
        layers.append(nn.BatchNorm2d(channels))
    elif token in ACTIVATIONS:
        layers.append(ACTIVATIONS[token]())
    else:
        raise UsageError(
            f"cannot read the layer {token!r} of the chain {text!r}",
            "Write layers such as c64k3s2,n,r|m3s2|p|l10",
        )
    return channels


def _check_positive(token: str, text: str, *sizes: int) -> None:
    if min(sizes) < 1:
        raise UsageError(f"the layer {token!r} of the chain {text!r} has a size of 0", "Give positive sizes")
