"""What a network's accuracy is, and who tells it. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload


@dataclass(frozen=True)
class Accuracy:
    """How often a network's largest score is that of the right class.

    Args:
        value: Share of the images, from 0 to 1.
        n_images: Images that it was counted on; None where nobody says.
        interval: Of 95 %, over images like these; None where nobody says.
        epochs: Of training behind it; 0 where it was looked up.
        seconds: That they took [s], those of earlier runs included.

    Raises:
        UsageError: The value is not a share, such as one in percent; there is no image; or the interval is none
            of shares.
    """

    value: float
    n_images: int | None = None
    interval: tuple[float, float] | None = None
    epochs: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        # Also false for what is not a number.
        if not 0 <= self.value <= 1:
            raise UsageError(f"the accuracy {self.value} is not a share from 0 to 1", _way_out(self.value))
        if self.n_images is not None and not self.n_images >= 1:
            raise UsageError(
                f"the accuracy was counted on {self.n_images} images",
                "Give their number, or None where nobody knows it",
            )
        if self.interval is not None and not 0 <= self.interval[0] <= self.interval[1] <= 1:
            raise UsageError(
                f"the interval of the accuracy is {self.interval}",
                "Give two shares from 0 to 1, the lower one first",
            )


def _way_out(value: float) -> str:
    return "Divide percent by 100" if 1 < value <= 100 else "Give the share of images that are classified right"


@dataclass(frozen=True)
class EpochReport:
    """Where a training stands after an epoch.

    Args:
        epoch: Just finished, from 1.
        epochs: Of the whole training, should it not stop early.
        accuracy: On the validation images, from 0 to 1.
        loss: Mean over the epoch's training images, label smoothing included; None where nobody says.
        elapsed_s: Time of all epochs so far, those of earlier runs included [s].
        remaining_s: Estimate of the time left [s], should the training not stop early.
        replayed: Whether an earlier run had finished the epoch: a training that goes on tells all its epochs.
    """

    epoch: int
    epochs: int
    accuracy: float
    loss: float | None
    elapsed_s: float
    remaining_s: float
    replayed: bool = False


#: Called after every epoch. It may raise, such as :class:`Pruned`, and so end the training; what was trained
#: so far is kept in the checkpoint.
Report = Callable[[EpochReport], None]


class Pruned(Exception):
    """A poor trial, given up by the one to whom its epochs are reported.

    Args:
        reason: In a few words.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@runtime_checkable
class AccuracyEvaluator(Protocol):
    """Tells the accuracy of networks; :mod:`hwnas.testing.accuracy_contract` tests one.

    One whose attribute ``seeded`` is False says the same to every seed, and is asked once.
    """

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        """The accuracy of a network.

        The same arguments give the same value, in any process.

        Args:
            workload: The network, such as an architecture of a search space.
            seed: Of all that is random in the training.
            epochs: Budget of the training; None for the evaluator's own.
            report: Told of every epoch, from 1 up; whatever it raises ends the training and comes out of here.

        Raises:
            TrainingDiverged: Loss or gradient are not finite.
            UsageError: The evaluator cannot tell this network's accuracy; the message names it.
        """
        ...
