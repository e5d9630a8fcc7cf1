"""Networks to be trained, from their declarations."""

from __future__ import annotations

from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.training.image_data import ImageData
from hwnas.workloads.randomness import seeded
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import fitted_space
from hwnas.workloads.spaces.workload import declared_architecture


def space_for(name: str, data: ImageData) -> Space:
    """A search space whose networks read the images of some data and tell its classes.

    Args:
        name: A shipped space, or a user's own file.
        data: The images.

    Raises:
        UnknownName: No such space.
        UsageError: The file cannot be used, or its networks leave nothing of such images.
    """
    return fitted_space(name, data.input_shape, data.classes)


def new_network(workload: Workload, seed: int) -> nn.Module:
    """An untrained network with PyTorch's own initialisation, in training mode.

    Args:
        workload: An architecture of a space, or a factory of the user's own.
        seed: Of its weights.

    Raises:
        UnknownName: No such space.
        UsageError: Another kind of workload, or one that cannot be built.
    """
    if workload.kind == "factory":
        from hwnas.workloads.factory import call_factory

        return call_factory(workload.name, seed).train()
    if workload.kind != "space":
        raise UsageError(
            f"{workload.label} cannot be trained: it is a {workload.kind} workload",
            "Give an architecture of a space, or package.module:function that builds a network",
        )
    space, architecture = declared_architecture(workload)
    with seeded(seed):
        return space.network(architecture)


def trainable_network(workload: Workload, data: ImageData, seed: int) -> nn.Module:
    """An untrained network for the images of some data.

    Args:
        workload: An architecture of a space, or a factory of the user's own.
        data: That it is to be trained on.
        seed: Of its weights.

    Raises:
        UnknownName: No such space.
        UsageError: Another kind of workload, one for other images or other classes, or one that cannot be
            built.
    """
    if workload.kind == "space":
        space, _ = declared_architecture(workload)
        if (space.input_shape, space.classes) != (data.input_shape, data.classes):
            own, other = (
                f"images of {'x'.join(map(str, shape))} in {classes} classes"
                for shape, classes in ((space.input_shape, space.classes), (data.input_shape, data.classes))
            )
            raise UsageError(
                f"{workload.label} is for {own}, and {data.name} has {other}",
                "Take the space from hwnas.training.networks.space_for",
            )
    return new_network(workload, seed)
