"""The accuracy of networks that are trained for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, Report
from hwnas.training.image_data import ImageData
from hwnas.training.loop import Trained, accuracy_on, train
from hwnas.training.memory import check_training_memory
from hwnas.training.networks import trainable_network
from hwnas.training.settings import TrainingSettings
from hwnas.workloads.models import model_name
from hwnas.workloads.spaces.workload import space_model


class TrainedEvaluator:
    """Trains the networks that it is asked for.

    Args:
        data: To train on.
        settings: None for those that suit the number of training images.
        folder: Where trainings keep their checkpoints and leave their weights, a file each; what has been
            trained there is not trained again. None to keep nothing.
        part: Whose accuracy is told. The best epoch is always chosen on the validation images: those suit a
            search, and the test images what is reported in its end.
    """

    def __init__(
        self,
        data: ImageData,
        settings: TrainingSettings | None = None,
        folder: Path | None = None,
        part: Literal["validation", "test"] = "validation",
    ) -> None:
        self.data = data
        self.settings = settings or TrainingSettings.for_images(len(data.train))
        self._folder = folder
        self._part = part

    def on(self, part: Literal["validation", "test"]) -> TrainedEvaluator:
        """The same trainings, told by other images.

        Args:
            part: Whose accuracy is told.
        """
        return TrainedEvaluator(self.data, self.settings, self._folder, part)

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        """See :class:`hwnas.training.accuracy.AccuracyEvaluator`.

        Raises:
            OutOfMemory: The training does not fit into memory.
            TrainingDiverged: Loss or gradient are not finite.
            UsageError: The network does not fit the data, or its file cannot be used.
        """
        trained = self.train(workload, seed=seed, epochs=epochs, report=report)
        if self._part == "validation":
            return trained.accuracy
        found = accuracy_on(trained.network, self.data, self.data.test)
        return replace(found, epochs=trained.accuracy.epochs, seconds=trained.accuracy.seconds)

    def train(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Trained:
        """Train a network, or take up or read what has been trained of it.

        Args:
            workload: Of a space for the data's images, or a factory.
            seed: Of weights, order and augmentation.
            epochs: None for those of the settings.
            report: Told of every epoch, those of earlier runs as well.

        Raises:
            OutOfMemory: The training does not fit into memory.
            TrainingDiverged: Loss or gradient are not finite.
            UsageError: The network does not fit the data, or its file cannot be used.
        """
        settings = self._for(epochs)
        file = self.weights_file(workload, seed=seed, epochs=epochs)
        network = trainable_network(workload, self.data, seed)
        if file is None or not file.exists():
            check_training_memory(network, workload.label, workload.input_shape, settings.batch)
        return train(
            network,
            self.data,
            settings,
            seed=seed,
            checkpoint=file,
            model=space_model(workload) if workload.kind == "space" else model_name(workload),
            report=report,
        )

    def weights_file(self, workload: Workload, *, seed: int = 0, epochs: int | None = None) -> Path | None:
        """Where a training leaves its weights; None without a folder.

        Args:
            workload: What is trained.
            seed: Of the training.
            epochs: None for those of the settings.
        """
        if self._folder is None:
            return None
        # Neither the seed nor the batch of a measurement makes it another network.
        network = replace(workload, input_shape=(1, *workload.input_shape[1:]), seed=0).key
        return self._folder / f"{network}-seed{seed}-epochs{self._for(epochs).epochs}.safetensors"

    def _for(self, epochs: int | None) -> TrainingSettings:
        return self.settings if epochs is None else replace(self.settings, epochs=epochs)
