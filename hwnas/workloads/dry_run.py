"""Running a network on shapes alone, to see its operators without their time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn
from torch.func import functional_call

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line, is_out_of_memory

T = TypeVar("T")


def run(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
    """Call the module without gradients.

    Args:
        name: The model as the user knows it, for messages.
        module: On the device of `inputs`.
        inputs: Passed as they are.

    Raises:
        OutOfMemory: An allocation failed.
        UsageError: The module cannot run on these inputs.
    """
    try:
        with torch.no_grad():
            return module(*inputs)
    except FOREIGN_CODE_ERRORS as error:
        shapes = " and ".join("x".join(map(str, t.shape)) for t in inputs)
        if is_out_of_memory(error):
            raise OutOfMemory(f"{name} does not fit into memory on an input of shape {shapes}") from error
        raise UsageError(
            f"{name} cannot run on an input of shape {shapes}: {in_one_line(error)}",
            "Give the shape it expects with --input, such as --input 1x3x224x224",
        ) from error


def observe(
    name: str,
    module: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    observer: Callable[[Callable[[], Any], tuple[torch.Tensor, ...]], T],
) -> T:
    """Let `observer` watch one forward pass, on the meta device if the module can run there.

    A module that looks at values runs a second time, for real.

    Args:
        name: The model as the user knows it, for messages.
        module: In eval mode; neither it nor its tensors change.
        inputs: On the module's own device.
        observer: Called with the pass and the inputs it will use.

    Raises:
        OutOfMemory: An allocation failed.
        UsageError: The module cannot run on these inputs.
    """
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {key: torch.empty_like(tensor, device="meta") for key, tensor in state.items()}
    meta_inputs = tuple(torch.empty_like(t, device="meta") for t in inputs)
    try:
        with torch.no_grad():
            return observer(lambda: functional_call(module, shapes, meta_inputs), meta_inputs)
    except FOREIGN_CODE_ERRORS:
        # Either the module needs values, or the inputs are wrong: the real run tells, in plain words.
        return observer(lambda: run(name, module, inputs), inputs)


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
