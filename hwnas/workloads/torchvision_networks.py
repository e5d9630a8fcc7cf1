"""Classification networks of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torchvision
from torch import nn

from hwnas.core.errors import UnknownName, UsageError

#: Arguments of networks that warn, or differ from the published ones, without weights.
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False},
}


def check_name(name: str) -> None:
    """Refuse a name that torchvision does not know.

    Raises:
        UnknownName: No such network; close matches are listed.
        UsageError: It exists, but does not classify images.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name in names:
        return
    if name in torchvision.models.list_models():
        raise UsageError(
            f"torchvision:{name} is not a classification network",
            "Wrap it in a factory whose module takes one tensor, and give package.module:factory",
        )
    raise UnknownName("torchvision model", name, names)


def default_image(name: str) -> tuple[int, ...]:
    """``(channels, height, width)`` at which the network's default weights are evaluated."""
    weights = torchvision.models.get_model_weights(name)
    return (3, *weights.DEFAULT.transforms().crop_size * 2)


def create(name: str, image: tuple[int, ...]) -> nn.Module:
    """The network without weights, for images ``(channels, height, width)``.

    Whatever torchvision raises comes through.
    """
    arguments = dict(_ARGUMENTS.get(name, {}))
    if name.startswith("vit_"):
        # A vision transformer is built for one image size.
        arguments["image_size"] = image[-1]
    module: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    return module
