"""Networks of architectures: rebuilt from their declaration, and counted."""

from __future__ import annotations

import torch
from torch import nn

from hwnas.core.workload import Workload
from hwnas.workloads.counting import Counts, count
from hwnas.workloads.randomness import seeded
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import PartModule, Space
from hwnas.workloads.spaces.workload import declared_architecture


def space_module(workload: Workload) -> nn.Module:
    """The network in eval mode with random weights from the workload's seed.

    Its batch normalisations are not calibrated yet.

    Raises:
        UnknownName: No such space.
        UsageError: The space has changed, or the architecture or input is not one of it.
    """
    space, architecture = declared_architecture(workload)
    with seeded(workload.seed):
        return space.network(architecture).eval()


def space_skeleton(workload: Workload) -> nn.Module:
    """The network on the meta device, in eval mode: shapes without memory.

    Raises:
        UnknownName: No such space.
        UsageError: The space has changed, or the architecture or input is not one of it.
    """
    space, architecture = declared_architecture(workload)
    with torch.device("meta"):
        return space.network(architecture).eval()


def architecture_counts(space: Space, architecture: Architecture) -> Counts:
    """Parameters, and multiply-adds of one image, counted on shapes alone.

    Raises:
        UnknownName: A choice or option that the space does not have.
        UsageError: A choice without an option.
    """
    with torch.device("meta"):
        network, images = space.network(architecture).eval(), torch.empty(1, *space.input_shape)
    return count(network, (images,), f"a network of the space {space.name}")


def part_counts(part: PartModule) -> Counts:
    """Parameters, and multiply-adds of one image, of a part.

    Args:
        part: On any device; counted on shapes alone.
    """
    inputs = tuple(torch.empty(1, *shape, device="meta") for shape in part.input_shapes)
    return count(part.module.eval(), inputs, "a part of a space")
