"""The accuracy of finalists: the mean of several trainings."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, AccuracyEvaluator, EpochReport
from hwnas.training.intervals import mean_interval, wilson


@dataclass(frozen=True)
class MeanAccuracy:
    """Trainings of one network that differ in their seeds alone.

    Args:
        accuracies: One a training, on the same images.
        seeds: Theirs.
    """

    accuracies: tuple[Accuracy, ...]
    seeds: tuple[int, ...]

    @property
    def mean(self) -> float:
        """From 0 to 1."""
        return statistics.fmean(accuracy.value for accuracy in self.accuracies)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of 95 % for the mean, were the trainings made with other seeds; None of a single one."""
        if len(self.accuracies) < 2:
            return None
        return mean_interval([accuracy.value for accuracy in self.accuracies])

    @property
    def image_interval(self) -> tuple[float, float] | None:
        """Of 95 % for the mean, were it counted on other such images; None where nobody says on how many."""
        counts = {accuracy.n_images for accuracy in self.accuracies}
        count = counts.pop()
        return None if counts or count is None else wilson(self.mean, count)


def mean_accuracy(
    evaluator: AccuracyEvaluator,
    workload: Workload,
    seeds: Sequence[int],
    *,
    epochs: int | None = None,
    report: Callable[[int, EpochReport], None] | None = None,
) -> MeanAccuracy:
    """Evaluate a network once for each seed.

    Args:
        evaluator: Of their accuracies; one on the test images, where the network won on the validation images.
        workload: The network.
        seeds: Different ones.
        epochs: Of each training; None for the evaluator's own.
        report: Told of every epoch, with the seed before it.

    Raises:
        TrainingDiverged: Loss or gradient of one are not finite.
        UsageError: No seeds or equal ones, or the evaluator cannot tell this network's accuracy.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"the seeds {list(seeds)} are none or not different", "Give each once")
    found = []
    for seed in seeds:
        told = partial(report, seed) if report else None
        found.append(evaluator.evaluate(workload, seed=seed, epochs=epochs, report=told))
    return MeanAccuracy(tuple(found), tuple(seeds))
