"""The samplers that a search knows by name; Optuna's have its own settings but for what is said here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler

from hwnas.core.registry import Registry
from hwnas.searching.cost_model import CostModel
from hwnas.searching.limit import Limit
from hwnas.searching.ruled_out_seen import RuledOutSeen
from hwnas.workloads.spaces.space import Space

#: A hundred trials are two generations of Optuna's 50; with 20 selection has a chance.
_POPULATION = 20


@dataclass(frozen=True)
class SamplerRequest:
    """What a sampler is made for.

    Args:
        space: To search.
        limits: On costs.
        traded: Costs that are kept small besides the accuracy.
        seed: Of all that is random.
        asked: Trials that the study has already: Optuna's samplers begin another stream of random numbers.
        budget_s: Of all evaluations together [s]; None where their number alone is limited.
    """

    space: Space
    limits: tuple[Limit, ...]
    traded: tuple[CostModel, ...]
    seed: int
    asked: int
    budget_s: float | None = None

    @property
    def stream(self) -> int:
        """A seed for samplers that keep a state which a study does not."""
        return (self.seed * 1_000_003 + self.asked) % 2**32


SamplerFactory = Callable[[SamplerRequest], BaseSampler]

_HERE = "hwnas.searching.optuna_samplers"
SAMPLERS = Registry(
    "sampler",
    "hwnas.samplers",
    {name: f"{_HERE}:{name}" for name in ("hwnas", "tpe", "gp", "nsga2", "nsga3", "random")},
)


def make_sampler(name: str, request: SamplerRequest) -> BaseSampler:
    """A sampler by name.

    Raises:
        UnknownName: There is none of that name.
    """
    factory: SamplerFactory = SAMPLERS.load(name)
    with warnings.catch_warnings():
        # Optuna calls some of them experimental, which the user's log need not repeat for every search.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return factory(request)


def hwnas(request: SamplerRequest) -> BaseSampler:
    """Ours (:mod:`hwnas.searching.suggester`)."""
    from hwnas.searching.optuna_sampler import HwnasSampler

    return HwnasSampler(
        request.space,
        limits=request.limits,
        traded=request.traded,
        seed=request.seed,
        budget_s=request.budget_s,
    )


def tpe(request: SamplerRequest) -> BaseSampler:
    """Tree-structured Parzen estimators."""
    return optuna.samplers.TPESampler(seed=request.stream)


def gp(request: SamplerRequest) -> BaseSampler:
    """A Gaussian process with expected improvement."""
    return RuledOutSeen(optuna.samplers.GPSampler(seed=request.stream))


def nsga2(request: SamplerRequest) -> BaseSampler:
    """An evolution of 20 networks a generation."""
    return RuledOutSeen(optuna.samplers.NSGAIISampler(seed=request.stream, population_size=_POPULATION))


def nsga3(request: SamplerRequest) -> BaseSampler:
    """Likewise, spread along reference points of several objectives."""
    return RuledOutSeen(optuna.samplers.NSGAIIISampler(seed=request.stream, population_size=_POPULATION))


def random(request: SamplerRequest) -> BaseSampler:
    """Every option as likely as the others."""
    return optuna.samplers.RandomSampler(seed=request.stream)
