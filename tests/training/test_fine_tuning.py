"""A little training sees images that torch's generator chooses."""

from __future__ import annotations

import torch
from made_up_images import made_up_data, small_network
from torch import nn

from hwnas.training.fine_tuning import fine_tuner
from hwnas.training.loop import accuracy_on
from hwnas.training.settings import TrainingSettings
from hwnas.workloads.randomness import seeded

SETTINGS = TrainingSettings(epochs=4, epoch_images=50, batch=8, learning_rate=0.05)


class _Recorder(nn.Module):
    """Scores by a linear layer, and the first pixels of what it has seen in training."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(64, 3)
        self.seen: list[float] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen += images[:, 0, 0, 0].tolist()
        scores: torch.Tensor = self.scores(images.flatten(1))
        return scores


def test_the_generator_decides_which_images_are_seen() -> None:
    data = made_up_data(200)
    data.train.images[:, 0, 0, 0] = torch.arange(len(data.train))
    tune = fine_tuner(data, SETTINGS)

    def seen(seed: int) -> list[float]:
        network = _Recorder()
        with seeded(seed):
            tune(network, 3)
        # The first two only show whether the network can be trained.
        return network.seen[2:]

    first, again, other = seen(1), seen(1), seen(2)
    assert first == again
    # Three steps of eight images, of 120: those of another seed are mostly others.
    assert len(set(first)) == len(set(other)) == 24
    assert len(set(first) & set(other)) < 16


def test_equal_networks_get_equal_accuracies() -> None:
    data = made_up_data()
    tune = fine_tuner(data, SETTINGS)
    found = []
    for _ in range(2):
        with seeded(3):
            found.append(tune(small_network(data, dropout=0.3), 4))
    assert found[0] == found[1]
    network = small_network(data)
    assert tune(network, 0) == accuracy_on(network, data, data.validation).value
