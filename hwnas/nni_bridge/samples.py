"""Our choices as NNI writes them, and its samples as architectures. Nothing here imports NNI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space


def found_space(space: Space | str) -> Space:
    """A space, or the one that is called so: a shipped space's name, or the path of a file.

    Raises:
        UnknownName: No such space.
        UsageError: The file cannot be read, or something in it is wrong.
    """
    return load_space(space) if isinstance(space, str) else space


def options_by_label(space: Space) -> dict[str, list[Scalar]]:
    """Choice -> options. NNI's labels are the names of our choices.

    Raises:
        UsageError: Two options of a choice are equal to NNI, such as 1 and true.
    """
    for choice in space.choices:
        for place, option in enumerate(choice.options):
            if option in choice.options[:place]:
                raise UsageError(
                    f"NNI cannot tell the options {list(choice.options)} of {choice.name} apart",
                    "Leave one of the equal ones out",
                )
    return {choice.name: list(choice.options) for choice in space.choices}


def search_space(space: Space | str) -> dict[str, dict[str, Any]]:
    """The ``search_space`` of a hyperparameter experiment of NNI, ready for JSON.

    Args:
        space: Or its name, or the path of its file.

    Raises:
        UnknownName: No such space.
        UsageError: The file cannot be used, or two options of a choice are equal to NNI.
    """
    labels = options_by_label(found_space(space))
    return {label: {"_type": "choice", "_value": options} for label, options in labels.items()}


def architecture_of(space: Space, sample: Mapping[str, Any]) -> dict[str, Scalar]:
    """The architecture, in its canonical form, that a sample or the parameters of a trial stand for.

    Args:
        space: Whose architecture.
        sample: Label -> option; labels that are no choices of the space, such as a learning rate, are left out.

    Raises:
        UnknownName: An option that the space does not have.
        UsageError: A choice without an option.
    """
    return space.canonical({c.name: sample[c.name] for c in space.choices if c.name in sample})
