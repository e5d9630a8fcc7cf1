"""What a workload costs, known without running it. Imports torch only for what is not a pattern."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.files import file_parts
from hwnas.workloads.models import model_name
from hwnas.workloads.patterns import FLOAT_BYTES, PatternStack

if TYPE_CHECKING:
    import torch

#: Images that calibrate the batch normalisations of a stack, and of another network, where
#: normalisations behind a global pooling see one value an image.
_STACK_IMAGES = 2
_NETWORK_IMAGES = 4


@dataclass(frozen=True)
class WorkloadCost:
    """Work and memory of one inference of the whole batch.

    Args:
        macs: Multiply-adds; None for a model file, which is not read here.
        parameters: Trainable or not; None for a model file.
        weights_bytes: Parameters and buffers; a model file's size.
        peak_activation_bytes: Most that inputs and intermediate results take at once in eager
            PyTorch; for a model file a lower bound, its input.
        activation_bytes: What the operators of eager PyTorch read and write in total; None for
            a model file.
        uncounted: Operators missing in `macs`, with their calls.
    """

    macs: int | None
    parameters: int | None
    weights_bytes: int
    peak_activation_bytes: int
    activation_bytes: int | None
    uncounted: Mapping[str, int] = field(default_factory=dict)


def workload_cost(workload: Workload) -> WorkloadCost:
    """Cost of a workload from its declaration, without allocating its tensors where possible.

    Raises:
        OutOfMemory: The network computes with values, and its input did not fit.
        UnknownName: No such pattern, network or space.
        UsageError: The model or its input cannot be used, or it is a live module: see :func:`module_cost`.
    """
    match workload.kind:
        case "pattern":
            stack = PatternStack.of(workload)
            return WorkloadCost(
                stack.macs,
                stack.parameters,
                stack.weights_bytes,
                stack.peak_activation_bytes,
                stack.activation_bytes,
            )
        case "torchvision" | "timm" | "zoo":
            return _zoo_cost(workload)
        case "layers":
            from hwnas.workloads.layer_chain import chain_module, initialised_chain

            chain = chain_module(workload)
            return _built_cost(workload, lambda: chain, lambda: initialised_chain(workload))
        case "space":
            return _space_cost(workload)
        case "factory":
            from hwnas.workloads.factory import factory_module

            module = factory_module(workload)
            return _built_cost(workload, lambda: module, lambda: module)
        case "file":
            size = sum(part.stat().st_size for part in file_parts(workload.name))
            return WorkloadCost(None, None, size, FLOAT_BYTES * math.prod(workload.input_shape), None)
        case kind:
            raise UsageError(f"{workload.name!r} is a {kind} workload, whose cost only its live object tells")


def _zoo_cost(workload: Workload) -> WorkloadCost:
    from hwnas.workloads.zoo import zoo_module, zoo_skeleton

    return _built_cost(workload, lambda: zoo_skeleton(workload), lambda: zoo_module(workload))


def _space_cost(workload: Workload) -> WorkloadCost:
    from hwnas.workloads.spaces.build import space_module, space_skeleton

    return _built_cost(workload, lambda: space_skeleton(workload), lambda: space_module(workload))


def _built_cost(
    workload: Workload, skeleton: Callable[[], torch.nn.Module], module: Callable[[], torch.nn.Module]
) -> WorkloadCost:
    """Cost on an input without memory, of a network that need not have any either."""
    from hwnas.workloads.randomness import example_input, input_without_memory

    name, shapes = model_name(workload), input_without_memory(workload)
    try:
        return module_cost(skeleton(), (shapes,), name)
    except UsageError:
        # Either the input is wrong, or the network computes with values: the real one tells.
        return module_cost(module(), (example_input(workload),), name)


def module_cost(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], name: str = "the model"
) -> WorkloadCost:
    """Cost of a live module.

    Args:
        module: In eval mode; it is not changed.
        inputs: On the module's device, batch first.
        name: The model as the user knows it, for messages.

    Raises:
        OutOfMemory: The module looks at values, and a real run did not fit.
        UsageError: The module cannot run on these inputs.
    """
    from hwnas.workloads.counting import count
    from hwnas.workloads.memory import activation_memory, weights_bytes

    counts = count(module, inputs, name)
    activations = activation_memory(module, inputs, name)
    return WorkloadCost(
        counts.macs,
        counts.parameters,
        weights_bytes(module),
        activations.peak_bytes,
        activations.traffic_bytes,
        counts.uncounted,
    )


def calibration_images(workload: Workload) -> int:
    """Images in the forward pass that calibrates batch normalisations while a workload is built.

    The same for every batch, so that equal weights serve all of them.
    """
    return {"pattern": _STACK_IMAGES, "file": 0}.get(workload.kind, _NETWORK_IMAGES)
