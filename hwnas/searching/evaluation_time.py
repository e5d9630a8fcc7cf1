"""How long evaluations take, across interruptions: a kill takes no time back that was spent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from optuna.trial import FrozenTrial

from hwnas.searching.optuna_trials import ARCHITECTURE, SECONDS


class Stopwatch:
    """The time of one evaluation, that of earlier runs and trials of the same network included.

    An evaluator may tell what a training that goes on has taken so far; another one is timed from here on.

    Args:
        earlier_s: What earlier trials of the network have taken [s].
    """

    def __init__(self, earlier_s: float) -> None:
        self._begin = time.monotonic() - earlier_s
        self._told_s = 0.0

    def hear(self, told_s: float) -> None:
        """Take over what the evaluator tells of the whole evaluation so far [s]."""
        self._told_s = max(self._told_s, told_s)

    @property
    def seconds(self) -> float:
        """So far [s]."""
        return max(self._told_s, time.monotonic() - self._begin)


def seconds_per_epoch(trial: FrozenTrial) -> float:
    """What one epoch of a trial has taken [s], or all of it where it tells of none; NaN where nobody knows."""
    seconds = trial.user_attrs.get(SECONDS)
    if seconds is None:
        return math.nan
    return float(seconds) / max(1, trial.last_step or 1)


def relative_epoch_time(trial: FrozenTrial, trials: Iterable[FrozenTrial]) -> float:
    """An epoch's time of one trial in parts of that of all; 1 where nobody knows.

    Args:
        trial: That goes on.
        trials: Of its study; those without an epoch are left out.
    """
    own_s = seconds_per_epoch(trial)
    known = [
        (float(t.user_attrs[SECONDS]), t.last_step) for t in trials if t.last_step and SECONDS in t.user_attrs
    ]
    usual_s = sum(seconds for seconds, _ in known) / max(1, sum(epochs for _, epochs in known))
    return own_s / usual_s if known and own_s > 0 and usual_s > 0 else 1.0


def seconds_by_network(trials: Iterable[FrozenTrial]) -> dict[str, float]:
    """Compact text of each evaluated network -> the time of its evaluation [s].

    Of several trials of a network the longest counts: each includes those before it.

    Args:
        trials: Of a search's study.
    """
    found: dict[str, float] = {}
    for trial in trials:
        text, seconds = trial.user_attrs.get(ARCHITECTURE), trial.user_attrs.get(SECONDS)
        if text is not None and seconds is not None:
            found[text] = max(found.get(text, 0.0), float(seconds))
    return found
