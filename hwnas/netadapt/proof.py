"""The proof, on numbers, that groups of channels can be pruned."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import nn

from hwnas.core.errors import OutOfMemory
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, is_out_of_memory
from hwnas.netadapt.structure import Group, Structure, pruned, silenced
from hwnas.workloads.dry_run import tensors_in

#: Relative to the largest output; a wrong pairing of channels is off by about 1.
_TOLERANCE = 1e-3


def proved(
    network: nn.Module, inputs: tuple[torch.Tensor, ...], structure: Structure
) -> tuple[Structure, tuple[str, ...]]:
    """Leave out groups without which the network does not run, or computes something else than it should.

    Half of a group's channels are pruned, and the outputs compared with those of the whole network in which
    nothing reads those channels.

    Args:
        network: In eval mode; it is not changed.
        inputs: Batch first; their shapes count, since zeros would prove little.
        structure: Read off the network.

    Returns:
        What is left, and the names of the groups that were left out: such as those of layers whose code counts
        their channels by itself.

    Raises:
        OutOfMemory: It does not fit.
    """
    source = torch.Generator().manual_seed(0)
    inputs = tuple(torch.randn(tensor.shape, generator=source) for tensor in inputs)
    if _holds(network, inputs, structure, structure.groups):
        return structure, ()
    right: list[Group] = []
    wrong: list[str] = []
    for group in structure.groups:
        if _holds(network, inputs, structure, [*right, group]):
            right.append(group)
        else:
            wrong.append(group.name)
    return structure.without_groups(wrong), tuple(wrong)


def _holds(
    network: nn.Module, inputs: tuple[torch.Tensor, ...], structure: Structure, groups: Sequence[Group]
) -> bool:
    # Which half does not matter, as long as it is no regular one.
    draw = random.Random(0)
    dropped = [c for group in groups for c in draw.sample(group.channels, len(group.channels) // 2)]
    with torch.inference_mode():
        expected = list(tensors_in(silenced(network, structure, dropped)(*inputs)))
        try:
            found = list(tensors_in(pruned(network, structure, dropped)(*inputs)))
        except FOREIGN_CODE_ERRORS as error:
            if is_out_of_memory(error):
                raise OutOfMemory("the network does not fit into memory", "Free memory") from error
            return False
    return len(found) == len(expected) and all(map(_close, found, expected))


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    largest = float(expected.abs().max())
    return bool((found - expected).abs().max() <= _TOLERANCE * max(largest, 1e-12))
