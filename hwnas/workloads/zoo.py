"""Classification networks of torchvision and timm; their weights are random, nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import timm
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.workload import Workload
from hwnas.workloads.initialisation import wake_up
from hwnas.workloads.randomness import generator, seeded

_DEFAULT_SIZE = (3, 224, 224)

#: Arguments of torchvision networks that warn, or differ from the published ones, without weights.
_TORCHVISION_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"init_weights": False, "aux_logits": False},
    "inception_v3": {"init_weights": False},
}


class _ParametersOnMeta(TorchFunctionMode):
    """Allocates parameters, which `torch.nn` makes by `torch.empty`, on the meta device.

    Networks that compute with small tensors while they are built fail under
    ``torch.device("meta")``, but not here.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.empty:
            options["device"] = "meta"
        return func(*args, **options)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that the zoo does not know.

    Args:
        kind: ``torchvision`` or ``timm``.
        name: The network.

    Raises:
        UnknownName: No such network; close matches are listed.
        UsageError: It exists, but does not classify images.
    """
    if kind == "timm":
        if not timm.is_model(name):
            raise UnknownName("timm model", name, timm.list_models())
        return
    names = torchvision.models.list_models(module=torchvision.models)
    if name in names:
        return
    if name in torchvision.models.list_models():
        raise UsageError(
            f"torchvision:{name} is not a classification network",
            "Wrap it in a factory whose module takes one tensor, and give package.module:factory",
        )
    raise UnknownName("torchvision model", name, names)


def default_image(kind: str, name: str) -> tuple[int, ...]:
    """The network's own input ``(channels, height, width)``, without the batch.

    For torchvision the evaluation size of its default weights, for timm that of its configuration.
    """
    if kind == "timm":
        configuration = timm.get_pretrained_cfg(name)
        return tuple(configuration.input_size) if configuration else _DEFAULT_SIZE
    weights = torchvision.models.get_model_weights(name)
    return (3, *weights.DEFAULT.transforms().crop_size * 2)


def zoo_module(workload: Workload) -> nn.Module:
    """The network in eval mode with random weights from the workload's seed.

    Its batch normalisations are not calibrated yet.

    Raises:
        UnknownName: No such network.
        UsageError: It cannot be built for this input size.
    """
    with seeded(workload.seed):
        module = _create(workload)
    wake_up(module, generator(workload.seed))
    return module


def zoo_skeleton(workload: Workload) -> nn.Module:
    """The network on the meta device, in eval mode: shapes without memory.

    Raises:
        UnknownName: No such network.
        UsageError: It cannot be built for this input size, or not without data.
    """
    with seeded(workload.seed), _ParametersOnMeta():
        return _create(workload).to("meta")


def _create(workload: Workload) -> nn.Module:
    check_name(workload.kind, workload.name)
    try:
        if workload.kind == "timm":
            module: nn.Module = timm.create_model(workload.name, pretrained=False)
        else:
            arguments = dict(_TORCHVISION_ARGUMENTS.get(workload.name, {}))
            if workload.name.startswith("vit_"):
                # A vision transformer is built for one image size.
                arguments["image_size"] = workload.input_shape[-1]
            module = torchvision.models.get_model(workload.name, weights=None, **arguments)
    except FOREIGN_CODE_ERRORS as error:
        size = "x".join(map(str, workload.input_shape))
        raise UsageError(
            f"{workload.kind}:{workload.name} cannot be built for the input {size}: {in_one_line(error)}",
            "Give another shape with --input",
        ) from error
    return module.eval()
