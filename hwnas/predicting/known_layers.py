"""The layers of networks that people use: what the kernels to measure are drawn like."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn
from torch.utils.hooks import RemovableHandle

from hwnas.core.errors import HwnasError
from hwnas.core.workload import Workload
from hwnas.workloads import dry_run
from hwnas.workloads.build import load_untrained
from hwnas.workloads.models import parse_model

_FILE = Path(__file__).with_suffix(".csv")
_COLUMNS = ("channels_in", "channels_out", "size", "height", "width", "stride", "dilation", "groups")

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
    with _FILE.open(newline="") as file:
        return tuple(
            KnownLayer(inside, outside, size, (height, width), stride, dilation, groups)
            for inside, outside, size, height, width, stride, dilation, groups in (
                map(int, row) for row in islice(csv.reader(file), 1, None)
            )
        )


def write_known_layers() -> None:
    """Write the file that :func:`known_layers` reads; builds every network, which takes half a minute."""
    rows = layers_of(parse_model(f"torchvision:{name}") for name in _NETWORKS.split())
    with _FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((*r[:3], *r.window, *r[4:]) for r in rows)


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
