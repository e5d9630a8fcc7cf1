"""Giving up trainings that will not be among the best, by what finished ones have shown."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hwnas.searching.learning_curves import LearningCurves


def curves_of(trials: Sequence[FrozenTrial], sign: float = 1.0) -> LearningCurves:
    """The learning curves of all trials that were trained to their end; what repeats another one has none.

    Args:
        trials: Of a study of one objective.
        sign: -1 where it is minimised.
    """
    finished = [t for t in trials if t.state is TrialState.COMPLETE and t.intermediate_values and t.values]
    return LearningCurves(
        [{step: sign * value for step, value in t.intermediate_values.items()} for t in finished],
        [sign * t.values[0] for t in finished],
    )


class CurvePruner(BasePruner):
    """Prunes trials whose time is better spent on others.

    A training goes on where its chance to end among the best, by the time that it still takes, is at least that
    of another one, by the time of a whole training. Early epochs tell little: a rule that compares them with
    each other, such as the median's, gives up good networks by chance. Here an epoch counts for as much as it
    has told of the ends of finished trainings.

    Args:
        epochs: Of a training.
        best: How many trials are wanted in the end.
        startup: Trials that are trained to their end before any is given up.
        warmup: Epochs before a training is judged.
    """

    def __init__(self, epochs: int, *, best: int = 1, startup: int = 5, warmup: int = 1) -> None:
        self._epochs, self._best = epochs, best
        self._startup, self._warmup = max(startup, best), warmup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to give up a trial that has reported an accuracy."""
        step = trial.last_step
        if step is None or step < self._warmup:
            return False
        sign = -1.0 if study.direction is StudyDirection.MINIMIZE else 1.0
        curves = curves_of(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), sign)
        if len(curves.finals) < self._startup:
            return False
        ending = curves.ending(step, sign * trial.intermediate_values[step])
        wanted = sorted(curves.finals, reverse=True)[self._best - 1]
        if ending is None:
            return False
        left = max(0, self._epochs - step) / self._epochs
        return ending.chance_above(wanted) < left * curves.of_another().chance_above(wanted)
