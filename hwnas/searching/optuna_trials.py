"""How a trial of a search stands in an Optuna study, where optuna-dashboard shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hwnas.searching.estimate import Estimate
from hwnas.searching.learning_curves import LearningCurves
from hwnas.searching.limit import Judgement
from hwnas.searching.trial import Cost, Trial, TrialState
from hwnas.workloads.spaces.space import Space

#: Keys of user attributes.
ARCHITECTURE = "architecture"
_COST = "cost "
SECONDS = "seconds"
_NOTE = "note"
_REPEATS = "repeats"
#: Of the interval that is kept; two-sided, so 95 % one-sided.
_ONE_SIDED = 0.95

_ENDED = {
    optuna.trial.TrialState.COMPLETE: TrialState.COMPLETE,
    optuna.trial.TrialState.PRUNED: TrialState.PRUNED,
    optuna.trial.TrialState.FAIL: TrialState.FAILED,
    optuna.trial.TrialState.RUNNING: TrialState.RUNNING,
}


def is_infeasible(trial: FrozenTrial) -> bool:
    """Whether a limit has ruled the trial out before anything was trained."""
    pruned = trial.state is optuna.trial.TrialState.PRUNED
    return pruned and trial.last_step is None and any(value > 0 for value in trial.constraints.values())


def curves_of(trials: Sequence[FrozenTrial], sign: float = 1.0) -> LearningCurves:
    """The learning curves of trials that were trained; what repeats another one has none.

    Args:
        trials: Of a study whose first objective is the accuracy.
        sign: -1 where it is minimised.
    """
    finished, given_up = [], []
    for trial in trials:
        curve = {step: sign * value for step, value in trial.intermediate_values.items()}
        if trial.state is optuna.trial.TrialState.COMPLETE and curve:
            finished.append((curve, sign * float(trial.values[0])))
        elif trial.state is optuna.trial.TrialState.PRUNED and curve:
            given_up.append(curve)
    return LearningCurves(finished, given_up)


def write_judgement(trial: optuna.Trial, text: str, judgement: Judgement) -> None:
    """Keep what was known before the evaluation.

    Args:
        trial: Just asked for.
        text: Compact text of the canonical architecture.
        judgement: Of it.
    """
    trial.set_user_attr(ARCHITECTURE, text)
    for name, estimate in judgement.estimates.items():
        median, low, high = _interval(estimate)
        cost: dict[str, Any] = {"median": median, "low": low, "high": high}
        cost["measured"] = name in judgement.measured
        if name in judgement.foretold:
            cost["foretold"] = _interval(judgement.foretold[name])
        trial.set_user_attr(_COST + name, cost)
    for name, violation in judgement.violations.items():
        trial.set_constraint(name, violation)


def write_end(
    trial: optuna.Trial, *, seconds: float | None = None, note: str = "", repeats: int | None = None
) -> None:
    """Keep what came of the evaluation; before the trial is told to be finished, which makes it final."""
    for key, value in ((SECONDS, seconds), (_NOTE, note or None), (_REPEATS, repeats)):
        if value is not None:
            trial.set_user_attr(key, value)


def read_trial(space: Space, trial: FrozenTrial) -> Trial | None:
    """A trial as a study holds it; None for one that nothing is known of yet, such as one that waits."""
    attributes: dict[str, Any] = trial.user_attrs
    if trial.state not in _ENDED or ARCHITECTURE not in attributes:
        return None
    text = str(attributes[ARCHITECTURE])
    accuracy = None
    if trial.state is optuna.trial.TrialState.COMPLETE:
        accuracy = float(trial.values[0])
    elif trial.last_step is not None:
        last = float(trial.intermediate_values[trial.last_step])
        # Databases of others may hold anything.
        accuracy = last if math.isfinite(last) else None
    costs = {
        key.removeprefix(_COST): Cost.of_record(value)
        for key, value in attributes.items()
        if key.startswith(_COST)
    }
    return Trial(
        number=trial.number,
        architecture=space.parse(text),
        text=text,
        state=TrialState.INFEASIBLE if is_infeasible(trial) else _ENDED[trial.state],
        accuracy=accuracy,
        costs=costs,
        violations=dict(trial.constraints),
        seconds=attributes.get(SECONDS),
        note=str(attributes.get(_NOTE, "")),
        repeats=attributes.get(_REPEATS),
    )


def _interval(estimate: Estimate) -> tuple[float, float, float]:
    """Median, and the ends of the two-sided 90 % interval, of an estimate of length 1."""
    low, high = estimate.lower(_ONE_SIDED)[0], estimate.upper(_ONE_SIDED)[0]
    return float(estimate.median[0]), float(low), float(high)
