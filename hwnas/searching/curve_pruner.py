"""Giving up trainings whose time is better spent on others, by what finished ones have shown."""

from __future__ import annotations

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from hwnas.core.errors import UsageError
from hwnas.searching.evaluation_time import relative_epoch_time
from hwnas.searching.learning_curves import best_so_far
from hwnas.searching.optuna_trials import curves_of


class CurvePruner(BasePruner):
    """Prunes trials whose time is better spent on others.

    A training goes on where its chance to end among the best, by the epochs that it still takes, is at least
    that of another one, by the epochs that one takes; where the times of trainings are known, as those of our
    searches are, epochs count by their time. Early epochs tell little: a rule that compares them with
    each other, such as the median's, gives up good networks by chance. Here an epoch counts for as much as it
    has told of the ends of finished trainings. The chance of another one to be among the best k of n is
    k/(n + 1), whatever their distribution.

    Args:
        best: How many trials are wanted in the end.
        startup: Trials that are trained to their end before any is given up.
        warmup: The first epoch at which a training is judged.

    Raises:
        UsageError: A number is below 1.
    """

    def __init__(self, *, best: int = 1, startup: int = 5, warmup: int = 1) -> None:
        for name, value in (("best", best), ("startup", startup), ("warmup", warmup)):
            if value < 1:
                raise UsageError(f"{name} is {value}", "Give at least 1")
        self._best, self._startup, self._warmup = best, max(startup, best), warmup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to give up a trial that has reported an accuracy."""
        step = trial.last_step
        if step is None or step < self._warmup:
            return False
        sign = -1.0 if study.direction is StudyDirection.MINIMIZE else 1.0
        trials = study.get_trials(deepcopy=False)
        curves = curves_of(trials, sign)
        left = curves.last_epoch(step) - step
        if len(curves.finals) < self._startup or left <= 0:
            return False
        accuracy = best_so_far({s: sign * v for s, v in trial.intermediate_values.items()}).get(step)
        wanted = sorted(curves.finals, reverse=True)[self._best - 1]
        if accuracy is None or accuracy >= wanted:
            # It is among the best already, or nobody can tell.
            return False
        ending = curves.ending(step, accuracy)
        another = self._best / (curves.begun + 1) / curves.mean_epochs()
        left *= relative_epoch_time(trial, trials)
        return ending is not None and ending.chance_above(wanted) / left < another
