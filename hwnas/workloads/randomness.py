"""Random numbers that leave torch's global generator alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.workload import Workload

#: Weights and inputs of one workload are independent of each other.
_WEIGHTS, _INPUT = 0, 1

#: Torch counts the bytes of a tensor in 63 bits; a network's activations are larger than its input.
MOST_VALUES = 2**48


def generator(seed: int, stream: int = _WEIGHTS) -> torch.Generator:
    """A CPU generator of its own.

    Args:
        seed: Of the workload.
        stream: 0 or 1; streams of all seeds differ.

    Raises:
        UsageError: The seed is negative or does not fit into 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed {seed} is out of range", "Give a seed from 0 to 2**63 - 1")
    return torch.Generator().manual_seed(2 * seed + stream)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block, and put its state back afterwards.

    Raises:
        UsageError: The seed is negative or does not fit into 63 bits.
    """
    state = generator(seed).get_state()
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(state)
        yield


def example_input(workload: Workload, batch: int | None = None) -> torch.Tensor:
    """Standard normal float32 values of the workload's input shape, from its seed.

    Images are drawn one after the other, so a smaller batch holds the first images of a larger one.

    Args:
        workload: Gives shape and seed.
        batch: Images, where not the workload's own number.

    Raises:
        OutOfMemory: There is no room for them.
        UsageError: The workload's seed is out of range, or no computer counts so many values.
    """
    source = generator(workload.seed, _INPUT)
    values = _empty(workload, batch or workload.batch, "cpu")
    for image in values:
        image.normal_(generator=source)
    return values


def input_without_memory(workload: Workload) -> torch.Tensor:
    """A tensor of the workload's input shape on the meta device.

    Raises:
        UsageError: No computer counts so many values.
    """
    return _empty(workload, workload.batch, "meta")


def _empty(workload: Workload, batch: int, device: str) -> torch.Tensor:
    shape = (batch, *workload.input_shape[1:])
    named = f"an input of shape {'x'.join(map(str, shape))}"
    if math.prod(shape) >= MOST_VALUES:
        raise UsageError(f"{named} has too many values", "Give a smaller --batch or --input")
    try:
        return torch.empty(shape, dtype=torch.float32, device=device)
    except RuntimeError as error:
        raise OutOfMemory(f"{named} does not fit into memory", "Give a smaller --batch or --input") from error
