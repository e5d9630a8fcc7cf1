"""A little training of a network that was trained before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from hwnas.training.image_data import ImageData
from hwnas.training.loop import accuracy_on, train
from hwnas.training.settings import TrainingSettings

#: Of the learning rate of a whole training: the weights are good already.
_RATE_SHARE = 0.2
_SEEDS = 2**53


def fine_tuner(data: ImageData, settings: TrainingSettings) -> Callable[[nn.Module, int], float]:
    """What trains a network in place for some optimizer steps, and tells its validation accuracy afterwards.

    Which images it sees, and in what order, torch's generator decides when it is called: where that is in the
    same state, equal networks get equal accuracies, and where it is not, they see other images. Without steps
    it only tells.

    Args:
        data: To train on.
        settings: Of a whole training; the learning rate is a fifth of theirs, and there is no early stop.
    """

    def fine_tune(network: nn.Module, steps: int) -> float:
        if steps < 1:
            return accuracy_on(network, data, data.validation).value
        images = steps * settings.batch
        epochs = math.ceil(images / len(data.train))
        short = replace(
            settings,
            epochs=epochs,
            epoch_images=max(2, math.ceil(images / epochs)),
            learning_rate=_RATE_SHARE * settings.learning_rate,
            warmup=0.1,
            patience=epochs,
        )
        seed = int(torch.randint(_SEEDS, ()))
        return train(network, data, short, seed=seed).accuracy.value

    return fine_tune
