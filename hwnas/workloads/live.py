"""Live modules: networks that exist only as objects of this process."""

from __future__ import annotations

import pickle

import cloudpickle
import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.workload import Workload
from hwnas.workloads.digest import network_digest
from hwnas.workloads.structure import structure_digest


def workload_of_module(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], *, weights: bool = True
) -> Workload:
    """Declare a live module; equal code, architecture and weights give equal keys.

    Args:
        module: Any network with one input.
        inputs: One float32 tensor, batch first.
        weights: Whether modules of other weights are others; without them it is quick.

    Raises:
        UsageError: Not a module, one whose tensors have no shapes or data yet, or not exactly one float32
            tensor with a batch.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"the model is a {type(module).__name__}", "Give a torch.nn.Module")
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or inputs[0].dtype != torch.float32:
        raise UsageError(
            "the example input is not a single float32 tensor", "Give one such as torch.randn(1, 3, 224, 224)"
        )
    if inputs[0].ndim == 0:
        raise UsageError(
            "the example input has no batch dimension", "Give one such as torch.randn(1, 3, 224, 224)"
        )
    try:
        params = (
            {"digest": network_digest(module, weights=True)}
            if weights
            else {"structure": structure_digest(module)}
        )
    except RuntimeError as error:
        raise UsageError(
            f"the model's tensors cannot be read: {in_one_line(error)}",
            "Call it once, so that lazy layers get their shapes; a model on the meta device has no data",
        ) from error
    return Workload("module", type(module).__name__, tuple(inputs[0].shape), params)


def dump_module(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    """A live module and its inputs as bytes for a worker process of the same program.

    Classes defined at a prompt or in a notebook travel with it.

    Raises:
        UsageError: The module holds something that cannot leave this process, or tensors without data.
    """
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers(), *inputs)):
        raise UsageError(
            "the model or its example input has tensors without data, on PyTorch's meta device",
            'Give them some, such as model.to_empty(device="cpu")',
        )
    try:
        blob: bytes = cloudpickle.dumps((module, inputs))
    except (pickle.PicklingError, *FOREIGN_CODE_ERRORS) as error:
        raise UsageError(
            f"the model cannot be sent to a worker process: {in_one_line(error)}",
            "Remove what cannot be pickled, such as open files or locks, or give a package.module:factory",
        ) from error
    return blob


def load_module(workload: Workload, blob: bytes) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The module, in eval mode on the CPU, and the inputs that :func:`dump_module` wrote.

    Only for bytes that came from the parent process itself: unpickling runs code.

    Raises:
        UsageError: There are no bytes, because the object lived in an earlier process.
    """
    if not blob:
        raise UsageError(
            f"the module {workload.name} lived in an earlier process and cannot be rebuilt",
            "Call hwnas.measure with the module again",
        )
    module, inputs = pickle.loads(blob)
    return module.eval().cpu(), tuple(t.cpu() for t in inputs)
