"""Who is told how a search goes."""

from __future__ import annotations

from hwnas.searching.limit import Judgement
from hwnas.searching.trial import Trial
from hwnas.training.accuracy import EpochReport


class Listener:
    """Hears of everything, and does nothing; subclasses print, draw or stop the search by raising."""

    def resumed(self, finished: int, left_behind: int) -> None:
        """A search goes on.

        Args:
            finished: Evaluations that it has already.
            left_behind: Trials of dead processes, whose networks are tried again.
        """

    def spent(self, seconds: float) -> None:
        """What evaluations of earlier runs have taken, which counts where time is limited [s]."""

    def started(self, number: int, text: str, judgement: Judgement) -> None:
        """A network within the limits is about to be evaluated.

        Args:
            number: Of the trial.
            text: Compact text of the architecture.
            judgement: What it costs.
        """

    def epoch(self, number: int, progress: EpochReport) -> None:
        """A training has finished an epoch."""

    def ended(self, trial: Trial, evaluations: int) -> None:
        """A trial has ended, in whatever way.

        Args:
            trial: What became of it.
            evaluations: Networks evaluated so far.
        """
