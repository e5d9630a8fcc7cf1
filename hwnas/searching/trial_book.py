"""The trials of a search, by network: what was evaluated, what became of the others, and how long it took."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optuna.trial import FrozenTrial

from hwnas.searching.codes import codes_of
from hwnas.searching.optuna_study import queued_again
from hwnas.searching.optuna_trials import read_trial
from hwnas.searching.suggester import Row
from hwnas.searching.trial import Trial, TrialState
from hwnas.workloads.spaces.space import Space


class TrialBook:
    """What is known of a study's networks, each by the compact text of its canonical architecture.

    Args:
        space: Whose networks.

    Attributes:
        evaluations: Networks that were evaluated, by earlier runs and other processes as well.
        tried: Rows of all that were suggested, whatever became of them.
    """

    def __init__(self, space: Space) -> None:
        self._space, self._codes = space, codes_of(space)
        #: The first trial of each network that was evaluated to its end, and of each that was given up.
        self._complete: dict[str, Trial] = {}
        self._given_up: dict[str, Trial] = {}
        #: The last one of every network, whatever became of it but for those that are queued again.
        self._last: dict[str, Trial] = {}
        self._again: set[int] = set()
        #: Numbers of the trials that are entered as they ended.
        self._ended: set[int] = set()
        self._seconds: dict[str, float] = {}
        self.evaluations = 0
        self.tried: set[Row] = set()

    def follow(self, trials: Sequence[FrozenTrial]) -> None:
        """Enter what earlier runs and other processes have done, as far as it is not known yet.

        Args:
            trials: All of the study, those that dead processes left behind being queued again.
        """
        self._again = queued_again(trials)
        for trial in trials:
            if trial.number not in self._ended:
                self.enter(trial)

    def enter(self, frozen: FrozenTrial) -> Trial | None:
        """Take note of a trial; gives it as it is read, None for one that nothing is known of yet.

        Args:
            frozen: As it stands in the study: what a search has found there, or has just ended; once it has
                ended, only once.
        """
        trial = read_trial(self._space, frozen)
        if trial is None:
            return None
        self.tried.update(map(tuple, self._codes.encode([trial.architecture]).tolist()))
        self.evaluations += trial.evaluated
        self._seconds[trial.text] = max(self.seconds(trial.text), trial.seconds or 0.0)
        known = self._last.get(trial.text)
        if trial.number in self._again:
            if known is not None and known.number == trial.number:
                # As it was under way in another process, which has given it back.
                del self._last[trial.text]
        elif known is None or known.number <= trial.number:
            self._last[trial.text] = trial
        if trial.state is TrialState.COMPLETE:
            self._complete.setdefault(trial.text, trial)
        elif trial.state is TrialState.PRUNED:
            self._given_up.setdefault(trial.text, trial)
        if trial.state is not TrialState.RUNNING:
            self._ended.add(trial.number)
        return trial

    def last(self, text: str) -> Trial | None:
        """The last trial of a network; None for one that is new, or that is queued again."""
        return self._last.get(text)

    def evaluated(self, text: str) -> Trial | None:
        """The trial that has evaluated a network to its end or, where none has, that was given up."""
        return self._complete.get(text) or self._given_up.get(text)

    @property
    def complete(self) -> Collection[Trial]:
        """Trials that were evaluated to their end, one a network."""
        return self._complete.values()

    def seconds(self, text: str) -> float:
        """Time of a network's evaluations so far [s]."""
        return self._seconds.get(text, 0.0)

    @property
    def spent_s(self) -> float:
        """Time of all evaluations so far [s]."""
        return sum(self._seconds.values())
