"""Whether a training fits into memory, told before it begins: Linux kills what asks for too much."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS
from hwnas.core.units import format_bytes
from hwnas.host.memory import available_memory_bytes
from hwnas.workloads.memory import weights_bytes

#: Weights, momentum, average and the best epoch's copy stay; gradients come as what was kept for them goes.
_COPIES, _GRADIENTS = 4, 1
#: Images that take more of the memory that is left would leave none for the training.
_MOST_IMAGES = 0.4


def check_training_memory(network: nn.Module, label: str, input_shape: tuple[int, ...], batch: int) -> None:
    """Refuse a training that takes more memory than there is.

    What is counted is a lower bound: the network and its copies, and what PyTorch keeps of a batch for the
    gradients. Scratch memory of operators, and gradients of activations, come on top.

    Args:
        network: On the CPU; not changed.
        label: The network, for people.
        input_shape: Of an inference, batch first; the batch is passed over.
        batch: Images of a training step.

    Raises:
        OutOfMemory: It does not fit.
    """
    weights = weights_bytes(network)
    kept = kept_bytes(network, (batch, *input_shape[1:])) or 0
    least = max(_COPIES * weights + kept, (_COPIES + _GRADIENTS) * weights)
    free = available_memory_bytes()
    if least > free:
        raise OutOfMemory(
            f"training {label} takes at least {format_bytes(least)} of memory, and {format_bytes(free)} "
            "are left",
            "Search a smaller space or smaller images, or free memory",
        )


def kept_bytes(network: nn.Module, input_shape: tuple[int, ...]) -> int | None:
    """What PyTorch keeps of a forward pass in training for the gradients, weights aside [bytes].

    It runs on shapes alone, which takes neither the time nor the memory; None for a network that looks at
    values, or does not take the input.

    Args:
        network: On the CPU; not changed.
        input_shape: Batch first.
    """
    parameters = {
        name: torch.empty_like(p, device="meta", requires_grad=p.requires_grad)
        for name, p in network.named_parameters()
    }
    state = {**parameters, **{name: torch.empty_like(b, device="meta") for name, b in network.named_buffers()}}
    own = {tensor.untyped_storage() for tensor in state.values()}
    kept: set[torch.UntypedStorage] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage() not in own:
            kept.add(tensor.untyped_storage())
        return tensor

    modes = [(module, module.training) for module in network.modules()]
    try:
        network.train()
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            functional_call(network, state, (torch.empty(input_shape, device="meta"),))
    except FOREIGN_CODE_ERRORS:
        return None
    finally:
        for module, training in modes:
            module.training = training
    return sum(storage.nbytes() for storage in kept)


def check_image_memory(what: str, count: int, shape: tuple[int, int, int]) -> None:
    """Refuse images that take too much of the memory that is left, a byte for each value.

    Args:
        what: The images, for people, such as ``images in /data``.
        count: How many.
        shape: ``(channels, height, width)`` of one.

    Raises:
        UsageError: They do not fit.
    """
    channels, height, width = shape
    needed, free = count * channels * height * width, available_memory_bytes()
    if needed > _MOST_IMAGES * free:
        raise UsageError(
            f"the {count} {what} take {format_bytes(needed)} at {height}x{width}, and {format_bytes(free)} of "
            "memory are left",
            "Give a smaller image size, or fewer images",
        )
