"""Lets Optuna's samplers learn from trials that a limit has ruled out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hwnas.searching.optuna_trials import is_infeasible


class RuledOutSeen(BaseSampler):
    """Shows all trials to a sampler that looks at complete ones, such as Optuna's GP, NSGA-II and NSGA-III.

    A trial that is ruled out before its training has constraints and no values. Such a sampler would never know
    it, and so would suggest networks beyond the limits for ever. Here it sees them as complete, with their
    constraints and, for lack of their own, the median of each objective: they tell nothing of objectives. In
    the study they stay what they are.

    Args:
        sampler: That suggests.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The sampler's own."""
        return self._sampler.infer_relative_search_space(_Seen(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the sampler suggests."""
        return self._sampler.sample_relative(_Seen(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What the sampler draws."""
        return self._sampler.sample_independent(_Seen(study), trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """The sampler's own."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """The sampler's own."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """The sampler's own."""
        self._sampler.reseed_rng()


class _Seen(Study):
    """A study as the sampler is to see it; everything but the trials' states and values is the study's own."""

    def __init__(self, study: Study) -> None:
        self.__dict__.update(study.__dict__)

    def _get_trials(
        self, deepcopy: bool = True, states: Any = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """What all samplers of Optuna read, also through :meth:`optuna.study.Study.get_trials`."""
        trials = super()._get_trials(deepcopy, None, use_cache)
        values = [trial.values for trial in trials if trial.state is TrialState.COMPLETE]
        medians = np.median(np.array(values), axis=0).tolist() if values else None
        seen = [trial if medians is None else _completed(trial, medians) for trial in trials]
        return [trial for trial in seen if states is None or trial.state in states]


def _completed(trial: FrozenTrial, values: list[float]) -> FrozenTrial:
    if not is_infeasible(trial):
        return trial
    found = copy.copy(trial)
    found.state = TrialState.COMPLETE
    found.values = values
    return found
