"""Rebuilds a workload from its declaration: the network, its weights and its input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.foreign_code import is_out_of_memory
from hwnas.core.workload import Workload
from hwnas.workloads.cost import calibration_images
from hwnas.workloads.dry_run import run
from hwnas.workloads.files import model_file
from hwnas.workloads.initialisation import calibration, shift_norms, untrained_norms
from hwnas.workloads.live import load_module
from hwnas.workloads.models import NAMED_KINDS, model_name
from hwnas.workloads.patterns import PatternStack
from hwnas.workloads.randomness import example_input, generator
from hwnas.workloads.stack_module import stack_module


@dataclass(frozen=True)
class BuiltModel:
    """A network ready to run.

    Args:
        module: In eval mode.
        inputs: Float32, batch first.
    """

    module: nn.Module
    inputs: tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class LoadedProgram:
    """A network of any kind: either `module` or `path` is given.

    Args:
        inputs: Float32, batch first.
        module: In eval mode; None for a model file.
        path: ONNX or OpenVINO IR file; None for a module.
    """

    inputs: tuple[torch.Tensor, ...]
    module: nn.Module | None = None
    path: Path | None = None


def load_program(workload: Workload, blob: bytes = b"") -> LoadedProgram:
    """Build a workload of any kind, or find its file.

    Args:
        workload: What to load.
        blob: :func:`hwnas.workloads.live.dump_module` of a ``module`` workload, else empty.

    Raises:
        OutOfMemory: It does not fit into memory.
        UsageError: The model, its file, its code or its input cannot be used.
    """
    if workload.kind == "file":
        return LoadedProgram((example_input(workload),), path=model_file(workload))
    if workload.kind == "module":
        module, inputs = load_module(workload, blob)
        return LoadedProgram(inputs, module)
    built = build(workload)
    return LoadedProgram(built.inputs, built.module)


def load_untrained(workload: Workload, blob: bytes = b"") -> LoadedProgram:
    """Like :func:`load_program`, for what depends on shapes alone: weights are any numbers.

    Args:
        workload: What to load.
        blob: :func:`hwnas.workloads.live.dump_module` of a ``module`` workload, else empty.

    Raises:
        OutOfMemory: It does not fit into memory.
        UsageError: The model, its file, its code or its input cannot be used.
    """
    if workload.kind in ("file", "module"):
        return load_program(workload, blob)
    source = generator(workload.seed)
    if workload.kind in NAMED_KINDS:
        from hwnas.workloads.zoo import zoo_skeleton

        skeleton = zoo_skeleton(workload)
        with _room_for(workload):
            module = skeleton.to_empty(device="cpu")
        for tensor in (*module.parameters(), *module.buffers()):
            _fill(tensor, source)
    else:
        module = new_module(workload)
        fill_norms(module, source)
    return LoadedProgram((example_input(workload),), module)


def fill_norms(module: nn.Module, source: torch.Generator) -> None:
    """Give normalisations that have seen no data any statistics, scales and shifts.

    Args:
        module: Changed in place.
        source: Of the values.
    """
    for norm in untrained_norms(module):
        for tensor in (*norm.parameters(), *norm.buffers()):
            _fill(tensor, source)


def _fill(tensor: torch.Tensor, source: torch.Generator) -> None:
    """Values that no compiler leaves out, as it does zeros and ones, or shares, as it does copies."""
    with torch.no_grad():
        if tensor.is_floating_point():
            tensor.uniform_(0.25, 0.75, generator=source)
        else:
            tensor.zero_()


def build(workload: Workload) -> BuiltModel:
    """Build a network from its declaration; the same workload gives the same one.

    Weights are initialised, and batch normalisations that have never seen data are set to
    the statistics of their own activations, so that outputs keep their variance through any depth.

    Args:
        workload: Of any kind but ``file`` and ``module``.

    Raises:
        OutOfMemory: It does not fit into memory.
        UnknownName: No such pattern, network or space.
        UsageError: Another kind, code that fails, or an input that the network cannot run on.
    """
    module = new_module(workload)
    norms = untrained_norms(module)
    if workload.kind != "pattern":
        shift_norms(norms)
    images = calibration_images(workload) if norms else 1
    with calibration(norms):
        try:
            run(model_name(workload), module, (example_input(workload, images),))
        except UsageError:
            if images == workload.batch:
                raise
            # The network may insist on its batch.
            run(model_name(workload), module, (example_input(workload),))
    return BuiltModel(module, (example_input(workload),))


def new_module(workload: Workload) -> nn.Module:
    """The network of a declaration in eval mode, for weights that are loaded into it.

    Its own are random, from the workload's seed; its batch normalisations are not calibrated.

    Args:
        workload: Of any kind but ``file`` and ``module``.

    Raises:
        OutOfMemory: It does not fit into memory.
        UnknownName: No such pattern, network or space.
        UsageError: Another kind, or code that fails.
    """
    with _room_for(workload):
        return _new_module(workload)


@contextmanager
def _room_for(workload: Workload) -> Iterator[None]:
    """An allocation that fails inside the block is told of the workload."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{workload.label} does not fit into memory", "Take a smaller network") from error


def _new_module(workload: Workload) -> nn.Module:
    match workload.kind:
        case "pattern":
            return stack_module(PatternStack.of(workload), workload.seed)
        case "torchvision" | "timm" | "zoo":
            # timm and torchvision take seconds to import.
            from hwnas.workloads.zoo import zoo_module

            return zoo_module(workload)
        case "layers":
            from hwnas.workloads.layer_chain import initialised_chain

            return initialised_chain(workload)
        case "space":
            from hwnas.workloads.spaces.build import space_module

            return space_module(workload)
        case "factory":
            from hwnas.workloads.factory import factory_module

            return factory_module(workload)
        case kind:
            raise UsageError(
                f"{workload.name!r} is a {kind} workload, which cannot be built from its declaration"
            )
