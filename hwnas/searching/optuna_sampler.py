"""hwnas's own sampler as one of Optuna's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from hwnas.searching.cost_model import CostModel
from hwnas.searching.evaluation_time import seconds_by_network, seconds_per_epoch
from hwnas.searching.learning_curves import LearningCurves, best_so_far
from hwnas.searching.limit import Limit
from hwnas.searching.optuna_space import architecture_of, distributions
from hwnas.searching.optuna_trials import curves_of, is_infeasible
from hwnas.searching.suggester import ENTRANTS, STARTUP, NothingLeft, Row, Seen, Suggester
from hwnas.workloads.spaces.space import Space

_ENDED_WELL = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


class HwnasSampler(BaseSampler):
    """Suggests networks that are surely within the limits, where the accuracy promises most.

    It keeps nothing of its own between trials: what it suggests follows from the seed and the study's trials,
    so a study goes on in another process as it would have here. The first value of a study is the accuracy;
    parameters other than the space's are drawn at random.

    Args:
        space: Whose choices are the study's parameters; :func:`hwnas.searching.optuna_space.distributions`.
        limits: On costs.
        traded: Costs that the study minimises besides, in any order.
        seed: Of all that is random.
        startup: Networks drawn at random before anything is learned.
        entrants: Of so many random networks the largest is drawn; 1 where all are to be equally likely.
        budget_s: Of all evaluations together [s], where their time is what is limited.
    """

    def __init__(
        self,
        space: Space,
        *,
        limits: Sequence[Limit] = (),
        traded: Sequence[CostModel] = (),
        seed: int = 0,
        startup: int = STARTUP,
        entrants: int = ENTRANTS,
        budget_s: float | None = None,
    ) -> None:
        self._space = space
        self._timed = budget_s is not None
        self._suggester = Suggester(
            space,
            limits=limits,
            traded=traded,
            seed=seed,
            startup=startup,
            entrants=entrants,
            budget_s=budget_s,
        )
        self._others = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All choices of the space, from the first trial on."""
        return distributions(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The options of one network.

        Raises:
            NothingLeft: Every network within the limits was tried, or there is none.
        """
        try:
            row = self._suggester.propose(self._seen(study, trial))
        except NothingLeft as nothing:
            # The trial stands in the study already, perhaps with the choices that have one option.
            nothing.trial = trial.number
            raise
        return self._suggester.codes.decode(row)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that is none of the space's choices, at random."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """For what is drawn independently; networks depend on the seed and the trials alone."""
        self._others.reseed_rng()

    def _seen(self, study: Study, current: FrozenTrial) -> Seen:
        sign = -1.0 if study.directions[0] is StudyDirection.MINIMIZE else 1.0
        names = {choice.name for choice in self._space.choices}
        rows: dict[Row, float] = {}
        seconds: dict[Row, float] = {}
        ruled_out: set[Row] = set()
        codes = self._suggester.codes
        trials = study.get_trials(deepcopy=False)
        curves = curves_of(trials, sign)
        for trial in trials:
            if trial.number == current.number or not names <= trial.params.keys():
                continue
            (row,) = map(tuple, codes.encode([architecture_of(self._space, trial.params)]).tolist())
            value = _accuracy_to_learn(trial, curves, sign)
            if value is None:
                ruled_out.add(row)
            else:
                # A network that was tried twice counts with its last value.
                rows[row] = value
                told_s = seconds_per_epoch(trial)
                # What repeats another trial has taken no time.
                seconds[row] = seconds.get(row, told_s) if math.isnan(told_s) else told_s
        found = np.array(list(rows), dtype=np.int64).reshape(-1, len(codes.options))
        seen = Seen(found, np.array(list(rows.values())), ruled_out, current.number)
        if not self._timed:
            return seen
        spent_s = sum(seconds_by_network(trials).values())
        return replace(seen, seconds=np.array([seconds[row] for row in rows]), spent_s=spent_s)


def _accuracy_to_learn(trial: FrozenTrial, curves: LearningCurves, sign: float) -> float | None:
    """The accuracy of a trial that has one; of a pruned one that with which it would have ended."""
    if trial.state not in _ENDED_WELL or is_infeasible(trial):
        return None
    # Optuna gives a trial that was given up its last accuracy for a value.
    if trial.state is optuna.trial.TrialState.COMPLETE:
        return sign * float(trial.values[0])
    curve = best_so_far({step: sign * value for step, value in trial.intermediate_values.items()})
    if not curve:
        return None
    last = max(curve)
    ending = curves.ending(last, curve[last])
    return curve[last] if ending is None else max(curve[last], ending.mean)
