"""The layers of networks that people use: what the kernels to measure are drawn like."""

from __future__ import annotations

import csv
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn
from torch.utils.hooks import RemovableHandle

from hwnas.cache_misses.operators import CONVOLUTION
from hwnas.core.errors import HwnasError
from hwnas.core.workload import Workload
from hwnas.predicting.families import design_of
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.workloads import dry_run
from hwnas.workloads.build import load_untrained
from hwnas.workloads.models import parse_model

_FILE = Path(__file__).with_suffix(".csv")
_COLUMNS = (
    "channels_in",
    "channels_out",
    "size",
    "height",
    "width",
    "stride",
    "dilation",
    "groups",
    "networks",
)

#: Designs by hand and by search, with the layers of most networks that followed them.
_NETWORKS = """
alexnet vgg11 vgg16_bn googlenet inception_v3 resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121
squeezenet1_0 squeezenet1_1 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet1_0
shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x2_0 efficientnet_b0 efficientnet_b2 efficientnet_v2_s
regnet_x_400mf regnet_x_1_6gf regnet_y_400mf regnet_y_3_2gf convnext_tiny
"""


class KnownLayer(NamedTuple):
    """A convolution of a known network, with the size of its input."""

    channels_in: int
    channels_out: int
    size: int
    window: tuple[int, int]
    stride: int
    dilation: int
    groups: int

    @property
    def depthwise(self) -> bool:
        """Whether every group has one channel."""
        return 1 < self.groups == self.channels_in


@cache
def known_layers() -> tuple[KnownLayer, ...]:
    """The different convolutions of well-known networks, in a fixed order, from ``known_layers.csv``.

    Torchvision's networks at their own input sizes; ``python -m hwnas.predicting.known_layers`` writes it.
    """
    return tuple(layer_networks())


@cache
def layer_networks() -> Mapping[KnownLayer, frozenset[str]]:
    """Known layer -> torchvision's names of the networks that it is from."""
    found: dict[KnownLayer, frozenset[str]] = {}
    with _FILE.open(newline="") as file:
        for *numbers, names in islice(csv.reader(file), 1, None):
            inside, outside, size, height, width, stride, dilation, groups = map(int, numbers)
            layer = KnownLayer(inside, outside, size, (height, width), stride, dilation, groups)
            found[layer] = frozenset(names.split())
    return MappingProxyType(found)


def known_from_only(kernels: Iterable[KernelFacts], families: Collection[str]) -> bool:
    """Whether a network has a convolution that the known layers have from some families alone.

    A chain of layers that does shows what it learned from them: left out with them, it leaves nothing of theirs
    but layers whose channels were changed, and what other designs share.

    Args:
        kernels: Of the network.
        families: As :func:`hwnas.predicting.families.design_of` tells them.
    """
    networks = layer_networks()
    return any(
        names and all(design_of(name) in families for name in names)
        for names in (networks.get(layer) for layer in map(_layer, kernels) if layer)
    )


def _layer(kernel: KernelFacts) -> KnownLayer | None:
    """A kernel as a known layer would be; None for one that is no convolution of an image."""
    image = kernel.kind == CONVOLUTION and not kernel.transposed and len(kernel.output) == 4
    if not image or not kernel.inputs or len(kernel.window) != 2:
        return None
    return KnownLayer(
        kernel.channels_in,
        kernel.channels_out,
        kernel.inputs[0][-1],
        (kernel.window[0], kernel.window[1]),
        max(kernel.stride),
        max(kernel.dilation),
        kernel.groups,
    )


def write_known_layers() -> None:
    """Write the file that :func:`known_layers` reads; builds every network, which takes half a minute."""
    names: dict[KnownLayer, list[str]] = defaultdict(list)
    for name in _NETWORKS.split():
        for layer in layers_of([parse_model(f"torchvision:{name}")]):
            names[layer].append(name)
    with _FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for layer in sorted(names):
            writer.writerow((*layer[:3], *layer.window, *layer[4:], " ".join(sorted(names[layer]))))


def layers_of(workloads: Iterable[Workload]) -> tuple[KnownLayer, ...]:
    """The different convolutions of some networks, in a fixed order.

    Args:
        workloads: Networks that can be built without weights; those that cannot are left out.
    """
    found: set[KnownLayer] = set()
    for workload in workloads:
        with suppress(HwnasError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = load_untrained(workload)
            if built.module is not None:
                found |= _observed(workload, built.module, built.inputs)
    return tuple(sorted(found))


def _observed(workload: Workload, module: nn.Module, inputs: tuple[Any, ...]) -> set[KnownLayer]:
    found: set[KnownLayer] = set()

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(layer, nn.Conv2d) and given[0].ndim == 4:
            height, width = layer.kernel_size
            found.add(
                KnownLayer(
                    layer.in_channels,
                    layer.out_channels,
                    int(given[0].shape[-1]),
                    (height, width),
                    max(layer.stride),
                    max(layer.dilation),
                    layer.groups,
                )
            )

    hooks: list[RemovableHandle] = [m.register_forward_pre_hook(note) for m in module.modules()]
    try:
        dry_run.observe(workload.label, module, inputs, lambda forward, _: forward())
    finally:
        for hook in hooks:
            hook.remove()
    return found


if __name__ == "__main__":
    write_known_layers()
