"""A search space as Optuna sees it: a parameter for each choice."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.choice import Choice
from hwnas.workloads.spaces.space import Space


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Choice -> distribution, in the order of the choices.

    Integers at equal distances keep their order, which samplers make use of; everything else is categorical.
    """
    return {choice.name: _distribution(choice) for choice in space.choices}


def _distribution(choice: Choice) -> BaseDistribution:
    options = choice.options
    if len(options) > 1 and all(type(option) is int for option in options):
        ordered = sorted(int(option) for option in options)
        steps = {b - a for a, b in itertools.pairwise(ordered)}
        if len(steps) == 1:
            return IntDistribution(ordered[0], ordered[-1], step=steps.pop())
    return CategoricalDistribution(options)


def architecture_of(space: Space, params: Mapping[str, Any]) -> dict[str, Scalar]:
    """The architecture of a trial's parameters, in canonical form; others than the space's are ignored."""
    return space.canonical({choice.name: params[choice.name] for choice in space.choices})
