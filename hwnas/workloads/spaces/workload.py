"""Architectures as workloads: declared by the space's name, its digest and a compact text."""

from __future__ import annotations

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar, Workload
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space

_FORM = "space:NAME:ARCHITECTURE, with an architecture as hwnas space sample NAME prints it"


def space_workload(space: Space, architecture: Architecture, *, batch: int = 1, seed: int = 0) -> Workload:
    """Declare the network of an architecture; architectures with equal networks give equal workloads.

    Args:
        space: A shipped one, or one from a user's file.
        architecture: Of the space.
        batch: Images in one inference.
        seed: Seed of weights and input.

    Raises:
        UnknownName: A choice or option that the space does not have.
        UsageError: A choice without an option, or a batch below 1.
    """
    params = {"architecture": space.compact(space.canonical(architecture)), "digest": space.digest}
    return Workload("space", space.name, (batch, *space.input_shape), params, seed)


def parse_space_model(
    text: str, *, input_shape: tuple[int, ...] | None = None, batch: int | None = None, seed: int = 0
) -> Workload:
    """Declare the network that ``NAME:ARCHITECTURE`` or ``FILE:ARCHITECTURE`` names.

    Args:
        text: What stands behind ``space:``.
        input_shape: ``(batch, ...)``; the space's own images are the only ones that fit. None for one of them.
        batch: Replaces the batch of `input_shape`.
        seed: Seed of weights and input.

    Raises:
        UnknownName: No such space, or an option that the space does not have.
        UsageError: The text, the space's file, the architecture or the input cannot be used.
    """
    name, colon, architecture = text.rpartition(":")
    if not colon or not name:
        raise UsageError(f"the model space:{text} names no architecture", f"Write {_FORM}")
    space = load_space(name)
    _check_image(space, input_shape)
    images = batch or (input_shape[0] if input_shape else 1)
    return space_workload(space, space.parse(architecture), batch=images, seed=seed)


def space_model(workload: Workload) -> str:
    """The text from which :func:`hwnas.workloads.models.parse_model` makes a workload of the kind ``space``."""
    return f"space:{workload.name}:{workload.params['architecture']}"


def declared_architecture(workload: Workload) -> tuple[Space, dict[str, Scalar]]:
    """The space and the architecture that a workload of the kind ``space`` declares.

    Raises:
        UnknownName: No such space.
        UsageError: Another kind of workload, a space whose definition has changed since, an architecture or an
            input that is not the space's.
    """
    if workload.kind != "space":
        raise UsageError(f"{workload.name!r} is a {workload.kind} workload, not an architecture of a space")
    space = load_space(workload.name)
    if workload.params.get("digest") != space.digest:
        raise UsageError(
            f"the space {workload.name} is not defined as it was when this architecture was declared",
            "Bring back its file, or declare the architecture again",
        )
    _check_image(space, workload.input_shape)
    return space, space.parse(str(workload.params.get("architecture", "")))


def _check_image(space: Space, input_shape: tuple[int, ...] | None) -> None:
    if input_shape is not None and input_shape[1:] != space.input_shape:
        found, own = ("x".join(map(str, shape)) for shape in (input_shape[1:], space.input_shape))
        raise UsageError(
            f"images of the space {space.name} are {own}, not {found}",
            "Leave --input out, or set 'input' in a file of your own",
        )
