"""Searches whose networks NNI suggests: its strategies under its own filter, its tuners behind ask and tell.

The trials stand in the same Optuna study as those of our samplers. NNI's strategies and tuners are
deterministic in their seed, so a search that goes on asks for the same networks again, and is answered from
the study. Where it comes to another network all the same, since more was measured meanwhile or more trials are
asked for, it goes on from there; the number of evaluations stays what was asked for.
"""

from __future__ import annotations

import math
import time

from hwnas.core.errors import CellError, HwnasError, UnknownName
from hwnas.searching.loop import TIME_IS_OVER, Loop
from hwnas.searching.suggester import NothingLeft
from hwnas.searching.trial import Trial, TrialState
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

#: Name -> NNI's tuner behind it, or empty for a strategy of the same name.
NNI_SAMPLERS = {"evolution": "", "random": "", "grid": "", "tpe": "tpe", "evolution-tuner": "evolution"}
NNI_DEFAULT = "evolution"

_MOST_FAILURES = 5


class _Over(Exception):
    """Ends a strategy: enough networks were evaluated, the time is over, or `error` ends the search."""

    def __init__(self, error: HwnasError | None = None) -> None:
        super().__init__()
        self.error = error


def check_nni_sampler(name: str) -> None:
    """Before anything is made.

    Raises:
        MissingDependency: NNI cannot be used here.
        UnknownName: It has nothing of that name.
    """
    if name not in NNI_SAMPLERS:
        raise UnknownName("sampler of the engine nni", name, NNI_SAMPLERS)
    from hwnas.nni_bridge.availability import check_nni

    check_nni()


def search_with_nni(loop: Loop, space: Space, sampler: str, trials: int | None, seed: int, until: float) -> str:
    """Evaluate networks that NNI suggests.

    Args:
        loop: That has begun.
        space: To search.
        sampler: One of :data:`NNI_SAMPLERS`.
        trials: Evaluations in all; None for any number.
        seed: Of NNI's random numbers.
        until: Time of :func:`time.monotonic` after which nothing new is begun.

    Returns:
        Why there are no more evaluations; empty where there are so many.

    Raises:
        NothingLeft: No network is within the limits.
        HwnasError: Several evaluations failed, one after the other, or the evaluator cannot be used.
    """
    search = _with_tuner if NNI_SAMPLERS[sampler] else _with_strategy
    try:
        ended = search(loop, space, NNI_SAMPLERS[sampler] or sampler, trials, seed, until)
    except _Over as over:
        if over.error is not None:
            raise over.error from over
        ended = TIME_IS_OVER
    return "" if trials is not None and loop.evaluations >= trials else ended


class _Evaluations:
    """What NNI is told of each network."""

    def __init__(self, loop: Loop, trials: int | None, until: float) -> None:
        self._loop, self._until = loop, until
        self._enough = math.inf if trials is None else trials
        self._failures = 0

    def __call__(self, architecture: Architecture) -> float:
        """The accuracy; of a trial that was given up, as far as it came.

        Raises:
            CellError: The evaluation failed.
        """
        known = self._loop.knows(architecture)
        trial = self._tried(architecture)
        if trial.accuracy is not None and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            self._failures = 0
            return trial.accuracy
        self._failures += not known and trial.state is TrialState.FAILED
        error = CellError(trial.note or f"trial {trial.number} is {trial.state}")
        if self._failures >= _MOST_FAILURES:
            raise _Over(error)
        raise error

    def feasible(self, architecture: Architecture) -> bool:
        """Whether a network is within the limits; NNI may ask a thousand times before it evaluates one."""
        # That may measure, which is of use to nobody where no evaluation follows.
        self._end_before_new(architecture)
        try:
            return self._loop.feasible(architecture)
        except CellError as error:
            raise _Over(error) from error

    def _tried(self, architecture: Architecture) -> Trial:
        self._end_before_new(architecture)
        try:
            return self._loop.try_out(architecture)
        except HwnasError as error:
            # An evaluation that fails is a trial. What comes out here ends the search, such as a database that
            # cannot be written, and NNI would take it for a network that failed.
            raise _Over(error) from error

    def _end_before_new(self, architecture: Architecture) -> None:
        """Nothing new is begun once the time is over or enough networks were evaluated."""
        over = time.monotonic() >= self._until or self._loop.evaluations >= self._enough
        if over and not self._loop.knows(architecture):
            raise _Over


def _with_strategy(loop: Loop, space: Space, strategy: str, trials: int | None, seed: int, until: float) -> str:
    from hwnas.nni_bridge.multi_trial import search

    evaluate = _Evaluations(loop, trials, until)
    found = search(space, evaluate, strategy=strategy, trials=trials, seed=seed, feasible=evaluate.feasible)
    if not found.complete:
        return f"NNI's strategy {strategy} suggests no further network that is new and within the limits"
    failed = sum(trial.accuracy is None for trial in found.trials)
    return f"NNI counts those whose evaluation failed, {failed} here, and tries no others in their place"


def _with_tuner(loop: Loop, space: Space, name: str, trials: int | None, seed: int, until: float) -> str:
    from hwnas.nni_bridge import tuners

    evaluate = _Evaluations(loop, trials, until)
    tuner = tuners.AskTell(space, tuner=name, seed=seed, feasible=evaluate.feasible)
    told = 0
    while trials is None or told < trials:
        try:
            architecture = tuner.ask()
        except tuners.NothingLeft as error:
            if not told:
                raise NothingLeft(error.message, error.hint) from error
            return error.message
        try:
            accuracy: float | None = evaluate(architecture)
            told += 1
        except CellError:
            accuracy = None
        tuner.tell(architecture, accuracy)
    return ""
