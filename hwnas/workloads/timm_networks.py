"""Networks of timm."""

from __future__ import annotations

import timm
from torch import nn

from hwnas.core.errors import UnknownName

_DEFAULT_IMAGE = (3, 224, 224)


def check_name(name: str) -> None:
    """Refuse a name that timm does not know.

    Raises:
        UnknownName: No such network, or none with that tag; close matches are listed.
    """
    if not timm.is_model(name):
        raise UnknownName("timm model", name, timm.list_models())
    try:
        # It looks at the tag too, that is, at what stands behind a point.
        timm.get_pretrained_cfg(name)
    except RuntimeError:
        architecture = name.partition(".")[0]
        raise UnknownName("timm model", name, [architecture, *timm.list_pretrained(architecture)]) from None


def default_image(name: str) -> tuple[int, ...]:
    """``(channels, height, width)`` of the network's configuration."""
    configuration = timm.get_pretrained_cfg(name)
    return tuple(configuration.input_size) if configuration else _DEFAULT_IMAGE


def create(name: str, image: tuple[int, ...]) -> nn.Module:
    """The network without weights; its configuration knows its images.

    Whatever timm raises comes through.
    """
    module: nn.Module = timm.create_model(name, pretrained=False)
    return module
