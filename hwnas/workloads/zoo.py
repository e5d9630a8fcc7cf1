"""Networks that a library knows by name; their weights are random, nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line, is_out_of_memory
from hwnas.core.workload import Workload
from hwnas.workloads.initialisation import wake_up
from hwnas.workloads.randomness import generator, seeded


class Library(Protocol):
    """What a module of this package offers for the networks of one library."""

    def check_name(self, name: str, /) -> None:
        """Refuse a name that the library does not know."""

    def default_image(self, name: str, /) -> tuple[int, ...]:
        """The network's own input, without the batch."""

    def create(self, name: str, image: tuple[int, ...], /) -> nn.Module:
        """The network without weights."""


def library(kind: str) -> Library:
    """The library of a kind of workload; torchvision and timm take seconds to import, so only when needed.

    Raises:
        UsageError: Networks of that kind have no names.
    """
    match kind:
        case "torchvision":
            from hwnas.workloads import torchvision_networks

            return torchvision_networks
        case "timm":
            from hwnas.workloads import timm_networks

            return timm_networks
        case "zoo":
            from hwnas.workloads import own_networks

            return own_networks
    raise UsageError(f"a {kind} workload is not a network that a library knows by name")


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
    networks = library(workload.kind)
    networks.check_name(workload.name)
    try:
        module = networks.create(workload.name, workload.input_shape[1:])
    except FOREIGN_CODE_ERRORS as error:
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"{workload.kind}:{workload.name} does not fit into memory", "Free memory"
            ) from error
        size = "x".join(map(str, workload.input_shape))
        raise UsageError(
            f"{workload.kind}:{workload.name} cannot be built for the input {size}: {in_one_line(error)}",
            "Give another shape with --input",
        ) from error
    return module.eval()
