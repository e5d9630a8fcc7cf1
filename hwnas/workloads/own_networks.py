"""The networks that hwnas has written itself, as a library like the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from hwnas.core.errors import UnknownName
from hwnas.workloads.networks.darts import Darts
from hwnas.workloads.networks.shufflenet_v1 import ShuffleNetV1

_NETWORKS: Mapping[str, Callable[[], nn.Module]] = {"darts": Darts, "shufflenet_v1": ShuffleNetV1}
_IMAGE = (3, 224, 224)


def check_name(name: str) -> None:
    """Refuse any other name.

    Raises:
        UnknownName: No such network; close matches are listed.
    """
    if name not in _NETWORKS:
        raise UnknownName("network of our own", name, _NETWORKS)


def default_image(name: str) -> tuple[int, ...]:
    """``(channels, height, width)`` of the network's paper."""
    return _IMAGE


def create(name: str, image: tuple[int, ...]) -> nn.Module:
    """The network; it takes images of any size that its strides divide."""
    return _NETWORKS[name]()
