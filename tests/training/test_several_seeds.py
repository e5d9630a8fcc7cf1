"""Finalists: several trainings of one network, and what their mean tells."""

from __future__ import annotations

import pytest
from made_up_images import made_up_data

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, Report
from hwnas.training.intervals import mean_interval, wilson
from hwnas.training.networks import space_for
from hwnas.training.settings import TrainingSettings
from hwnas.training.several_seeds import MeanAccuracy, mean_accuracy
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.spaces.workload import space_workload


class _BySeed:
    """An accuracy for each seed."""

    def __init__(self, n_images: int | None = 200) -> None:
        self.n_images = n_images

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        return Accuracy(0.9 + seed / 100, self.n_images)


NETWORK = Workload("pattern", "standard", (1, 8, 8, 8))


def test_the_mean_and_two_intervals() -> None:
    found = mean_accuracy(_BySeed(), NETWORK, [0, 1, 2])
    assert found.mean == pytest.approx(0.91)
    assert found.interval == mean_interval([0.9, 0.91, 0.92])
    assert found.image_interval == pytest.approx(wilson(0.91, 200))


def test_one_training_tells_nothing_of_others() -> None:
    found = mean_accuracy(_BySeed(None), NETWORK, [4])
    assert (found.interval, found.image_interval) == (None, None)
    assert found.mean == pytest.approx(0.94)
    mixed = MeanAccuracy((Accuracy(0.5, 10), Accuracy(0.5, 20)), (0, 1))
    assert mixed.image_interval is None


@pytest.mark.parametrize("seeds", [[], [1, 1]])
def test_seeds_differ(seeds: list[int]) -> None:
    with pytest.raises(UsageError, match="seeds"):
        mean_accuracy(_BySeed(), NETWORK, seeds)


def test_trainings_differ_by_their_seeds() -> None:
    data = made_up_data()
    space = space_for("patterns", data)
    workload = space_workload(space, space.parse("standard,16,1,3+grouped,32,1,3+depthwise_separable,64,1,3"))
    settings = TrainingSettings(epochs=2, epoch_images=40, batch=20)
    told: list[tuple[int, int]] = []
    found = mean_accuracy(
        TrainedEvaluator(data, settings, part="test"),
        workload,
        [3, 8],
        report=lambda seed, epoch: told.append((seed, epoch.epoch)),
    )
    assert told == [(3, 1), (3, 2), (8, 1), (8, 2)]
    assert all(accuracy.n_images == len(data.test) for accuracy in found.accuracies)
