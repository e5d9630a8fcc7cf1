"""Models as users name them on the command line and in experiment files."""

from __future__ import annotations

import re

from hwnas.core.errors import UsageError
from hwnas.core.named_function import is_function_name
from hwnas.core.workload import Workload
from hwnas.workloads.catalogue import NETWORKS, find_network
from hwnas.workloads.files import SUFFIXES, file_digest

#: Kinds of workloads that are known by a name in a library, and written as ``kind:name``.
NAMED_KINDS = ("torchvision", "timm", "zoo")

#: Architectures of search spaces are written ``space:NAME:ARCHITECTURE``.
_SPACE = "space"

FORMS = (
    "zoo:NAME, torchvision:NAME, timm:NAME, space:NAME:ARCHITECTURE, package.module:factory, "
    "FILE.onnx or FILE.xml"
)

#: A positive integer that OpenVINO counts in 63 bits; Python itself refuses thousands of digits.
_SIZE = r"0{0,9}[1-9]\d{0,17}"


def parse_shape(text: str) -> tuple[int, ...]:
    """``"1x3x224x224"`` as a shape, batch first.

    Raises:
        UsageError: Not positive integers joined by ``x``.
    """
    if not re.fullmatch(rf"\s*{_SIZE}(\s*[xX]\s*{_SIZE})*\s*", text, re.ASCII):
        raise UsageError(
            f"cannot read the input shape {text!r}", "Write it like --input 1x3x224x224, batch first"
        )
    return tuple(int(size) for size in re.split("[xX]", text))


def parse_model(
    text: str, *, input_shape: tuple[int, ...] | None = None, batch: int | None = None, seed: int = 0
) -> Workload:
    """Declare the model that `text` names.

    Networks of torchvision and timm are looked up, a factory is called once, and a file is
    read once, so that the workload's key changes when the model does. A name of the catalogue
    gives the very workload that the library's own name gives.

    Args:
        text: ``zoo:NAME`` of the catalogue, ``torchvision:NAME``, ``timm:NAME``, ``space:NAME:ARCHITECTURE``,
            ``package.module:factory``, ``FILE.onnx`` or ``FILE.xml``.
        input_shape: ``(batch, ...)``; None for the own size of a zoo network or a space. This layer does not
            read the shape that a file may state: its caller does.
        batch: Replaces the first dimension; None leaves it, 1 by default.
        seed: Seed of random weights and of the input.

    Raises:
        UnknownName: No such network in the zoo, no such space, or no such option of it.
        UsageError: The text, the factory, the file or the batch cannot be used, or the shape is missing.
    """
    if batch is not None and batch < 1:
        raise UsageError(f"batch {batch} is below 1", "Give a positive batch")
    kind, name = _kind(text)
    if kind == _SPACE:
        from hwnas.workloads.spaces.workload import parse_space_model

        return parse_space_model(name, input_shape=input_shape, batch=batch, seed=seed)
    params: dict[str, str] = {}
    if kind == "zoo":
        network = find_network(name)
        kind, name, shape = network.kind, network.model, input_shape or (1, *network.image_shape)
    elif kind in NAMED_KINDS:
        from hwnas.workloads.zoo import library

        networks = library(kind)
        networks.check_name(name)
        shape = input_shape or (1, *networks.default_image(name))
    elif input_shape is None:
        raise UsageError(
            f"the input shape of {text} is not known", "Give it with --input, such as --input 1x3x224x224"
        )
    else:
        shape = input_shape
    if kind == "factory":
        from hwnas.workloads.digest import network_digest
        from hwnas.workloads.factory import call_factory

        params = {"digest": network_digest(call_factory(name, seed))}
    elif kind == "file":
        params = {"sha256": file_digest(name)}
    return Workload(kind, name, (batch, *shape[1:]) if batch else shape, params, seed)


def _kind(text: str) -> tuple[str, str]:
    """Kind and name of a workload."""
    prefix, _, rest = text.partition(":")
    if prefix in (*NAMED_KINDS, _SPACE) and rest:
        return prefix, rest
    if text.lower().endswith(SUFFIXES):
        return "file", text
    if is_function_name(text):
        return "factory", text
    if text in NETWORKS and NETWORKS[text].kind == "zoo":
        hint = f"Write zoo:{text}"
    elif text.isidentifier():
        hint = f"Write torchvision:{text} or timm:{text}"
    else:
        hint = f"Write {FORMS}"
    raise UsageError(f"cannot read the model {text!r}", hint)


def model_name(workload: Workload) -> str:
    """The model as users write it, such as ``torchvision:resnet18``; ``zoo:darts`` for a network of our own.

    Architectures of search spaces are shortened, as in ``space:patterns#b32f61``.
    """
    if workload.kind == _SPACE:
        return f"{_SPACE}:{workload.short_name}"
    return f"{workload.kind}:{workload.name}" if workload.kind in NAMED_KINDS else workload.name
