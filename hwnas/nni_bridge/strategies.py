"""NNI's strategies by name, with settings that fit the number of trials."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.foreign_code import in_one_line
from hwnas.nni_bridge.installed import GridSearch, Random, RegularizedEvolution
from hwnas.workloads.spaces.space import Space

#: Name -> NNI's class.
STRATEGIES = {"random": Random, "evolution": RegularizedEvolution, "grid": GridSearch}

_LARGEST_POPULATION = 100
#: Where nobody knows how many networks will be tried.
_USUAL_POPULATION = 20


def strategy_settings(name: str, space: Space, trials: int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a strategy, but for the seed.

    Regularized evolution as NNI sets it up draws its first 100 networks at random, which is more than most
    searches try, and changes a choice with a probability of 5 %, so that networks of few choices stay as they
    are. Here a fourth of the trials, or 20 networks where their number is not known, and one choice on average.

    Args:
        name: Of the strategy.
        space: To search.
        trials: Networks to evaluate; None where nobody knows.
        given: Settings by NNI's names; they go before.

    Raises:
        UnknownName: No such strategy or setting.
        UsageError: A population that is no whole number.
    """
    if name not in STRATEGIES:
        raise UnknownName("strategy of NNI", name, STRATEGIES)
    known = inspect.signature(STRATEGIES[name].__init__).parameters.values()
    names = [parameter.name for parameter in known if parameter.kind is parameter.KEYWORD_ONLY]
    for setting in given:
        # NNI's strategies pass over names that they do not know.
        if setting not in names or setting == "seed":
            raise UnknownName(f"setting of NNI's strategy {name}", setting, [n for n in names if n != "seed"])
    if name != "evolution":
        return dict(given)
    usual = _USUAL_POPULATION if trials is None else min(_LARGEST_POPULATION, max(4, trials // 4))
    population = given.get("population_size", usual)
    if not isinstance(population, int):
        raise UsageError(f"population_size is {population!r}", "Give a whole number")
    free = sum(len(choice.options) > 1 for choice in space.choices)
    return {
        "population_size": population,
        "sample_size": max(2, population // 4),
        "mutation_prob": 1 / max(1, free),
        **given,
    }


def make_strategy(name: str, seed: int, settings: Mapping[str, Any]) -> Any:
    """NNI's strategy.

    Args:
        name: One of :data:`STRATEGIES`.
        seed: Of all that is random in it.
        settings: By NNI's names.

    Raises:
        UsageError: NNI refuses a setting.
    """
    try:
        return STRATEGIES[name](seed=seed, **settings)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(
            f"NNI's strategy {name} cannot be set up so: {in_one_line(error)}",
            "See its class in nni.nas.strategy for the settings",
        ) from error
