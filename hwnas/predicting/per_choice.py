"""What a space has and callers give for each choice: complete, in order and of fitting shapes, or refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Scalar

Choices = Mapping[str, tuple[Scalar, ...]]

#: For each choice a tensor, by name or in the order of the choices.
Probabilities = Mapping[str, Tensor] | Sequence[Tensor] | Tensor


def checked_choices(choices: Mapping[str, Sequence[Scalar]]) -> dict[str, tuple[Scalar, ...]]:
    """The choices of a space, each with at least one option and none twice.

    Raises:
        UsageError: They are not.
    """
    if not choices:
        raise UsageError("a latency table needs choices", "Name at least one")
    for name, options in choices.items():
        if not options or not all(map(_is_scalar, options)):
            raise UsageError(
                f"choice {name!r} has the options {list(options)}", "Give texts, finite numbers or booleans"
            )
        refuse_repeated(f"option of choice {name!r}:", tuple(options))
    return {name: tuple(options) for name, options in choices.items()}


def _is_scalar(option: object) -> bool:
    return isinstance(option, str | int) or (isinstance(option, float) and math.isfinite(option))


def refuse_repeated(what: str, items: Sequence[object]) -> None:
    """Pass if all items differ; 1, 1.0 and True do not.

    Raises:
        UsageError: One occurs twice.
    """
    for index, item in enumerate(items):
        if item in items[:index]:
            raise UsageError(f"{what} {item!r} is there twice", "Name each once")


def check_names(given: Iterable[str], choices: Choices) -> None:
    """Pass if these are the names of all choices, in any order.

    Raises:
        UnknownName: One is none.
        UsageError: One is missing.
    """
    names = list(given)
    for name in names:
        if name not in choices:
            raise UnknownName("choice", str(name), choices)
    missing = [name for name in choices if name not in names]
    if missing:
        raise UsageError(f"nothing is given for choice {missing[0]!r}", f"Give {', '.join(choices)}")


def check_device(what: str, tensor: Tensor, device: torch.device) -> None:
    """Pass if the tensor is where the table is.

    Raises:
        UsageError: It is on another device.
    """
    if tensor.device != device:
        raise UsageError(
            f"{what} are on {tensor.device}, but the latency table on {device}",
            f'Move the table: table.to("{tensor.device}")',
        )


def probabilities_in_order(given: Probabilities, choices: Choices, device: torch.device) -> list[Tensor]:
    """One tensor for each choice, shape ``(..., options)``, on `device`.

    Raises:
        UnknownName: There is no choice of that name.
        UsageError: A choice is missing, or its tensor has an unfit type, shape or device.
    """
    if isinstance(given, Mapping):
        check_names(given, choices)
        tensors = [given[name] for name in choices]
    else:
        tensors = list(given)
        if len(tensors) != len(choices):
            raise UsageError(
                f"probabilities of {len(tensors)} choices are given, but there are {len(choices)}",
                f"Give one tensor for each, in the order {', '.join(choices)}",
            )
    for (name, options), tensor in zip(choices.items(), tensors, strict=True):
        what = f"probabilities of {name!r}"
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise UsageError(f"{what} are no floating-point tensor", "Convert them")
        if tensor.ndim == 0 or tensor.shape[-1] != len(options):
            raise UsageError(
                f"{what} have shape {tuple(tensor.shape)}, but the choice has {len(options)} options",
                "Let the last dimension run over the options",
            )
        check_device(what, tensor, device)
    return tensors


def leading_shape(tensors: Sequence[Tensor]) -> torch.Size:
    """The common shape of all dimensions but the last.

    Raises:
        UsageError: They do not broadcast.
    """
    shapes = [tensor.shape[:-1] for tensor in tensors]
    try:
        return torch.Size(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        different = dict.fromkeys(str(tuple(shape)) for shape in shapes)
        raise UsageError(
            f"leading dimensions of the probabilities do not broadcast: {' and '.join(different)}",
            "Give the same batch for each choice, or none",
        ) from error


def option_index(choice: str, options: tuple[Scalar, ...], option: Scalar) -> int:
    """Where an option stands among those of its choice.

    Raises:
        UnknownName: Nowhere.
    """
    try:
        return options.index(option)
    except ValueError:
        raise UnknownName(f"option of choice {choice!r}:", str(option), map(str, options)) from None


def check_option_indices(indices: Tensor, choices: Choices) -> None:
    """Pass if there are such options.

    Args:
        indices: Shape ``(choices, N)``, N at least 1, int64. Those without data, on the meta device, pass.
        choices: Name -> options.

    Raises:
        UsageError: An index is below 0 or beyond a choice's last option.
    """
    if indices.is_meta:
        return
    lowest, highest = indices.aminmax(dim=1)
    for (name, options), low, high in zip(choices.items(), lowest.tolist(), highest.tolist(), strict=True):
        if low < 0 or high >= len(options):
            raise UsageError(
                f"indices of {name!r} run from {low} to {high}, but the choice has {len(options)} options",
                "Count them from 0",
            )
