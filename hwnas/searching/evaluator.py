"""Who tells a search how good a network is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hwnas.core.workload import Workload


class GivenUp(Exception):
    """Raised out of a report: the trial is poor, and its training ends here."""


class Accuracy(Protocol):
    """What an evaluation found."""

    @property
    def value(self) -> float:
        """Share of the images that are classified right; more is better."""
        ...


class Progress(Protocol):
    """Where a training stands after an epoch."""

    @property
    def epoch(self) -> int:
        """Just finished, from 1."""
        ...

    @property
    def accuracy(self) -> float:
        """On the validation images."""
        ...


class Evaluator(Protocol):
    """Tells accuracies, by training or otherwise.

    Evaluators that train keep their own checkpoints: a search that was killed asks for the same network again.
    """

    def evaluate(
        self,
        workload: Workload,
        *,
        seed: int = 0,
        epochs: int | None = None,
        report: Callable[[Any], None] | None = None,
    ) -> Accuracy:
        """The accuracy of a network.

        Args:
            workload: The network.
            seed: Of all that is random in it.
            epochs: Budget of the training; None for the evaluator's own.
            report: To be called with a :class:`Progress` after every epoch; what it raises must come out of
                here.

        Raises:
            HwnasError: There is none: the training has diverged, say.
        """
        ...
