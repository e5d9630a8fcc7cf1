"""MobileNetV2 for 28x28 grey images, at any width: what a found network is compared with.

A workload names one as ``mobile_networks:plain_035`` or ``mobile_networks:early_100``: the width in percent;
``plain`` is the network as published, ``early`` halves the sides twice less, as is usual for small images.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.models import mobilenet_v2


def _mobile(width: float, early: bool) -> nn.Module:
    network = mobilenet_v2(num_classes=10, width_mult=width)
    stem = network.features[0][0]
    network.features[0][0] = nn.Conv2d(1, stem.out_channels, 3, stride=1 if early else 2, padding=1, bias=False)
    if early:
        # The first block that halves the sides.
        network.features[2].conv[1][0].stride = (1, 1)
    return network


def __getattr__(name: str) -> Callable[[], Any]:
    found = re.fullmatch(r"(plain|early)_(\d{3})", name)
    if found is None:
        raise AttributeError(name)
    width, early = int(found[2]) / 100, found[1] == "early"
    return lambda: _mobile(width, early)
