"""Images with labels, in memory, in three parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from hwnas.training.augmentation import Augmentation

#: Scales of normalised pixels below this belong to channels that say nothing.
_SMALLEST_DEVIATION = 1e-3
_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Part:
    """Images and their classes.

    Args:
        images: uint8, ``(n, channels, height, width)``.
        labels: int64, ``(n,)``, from 0.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: torch.Tensor) -> Part:
        """The images at some places, in their order."""
        return Part(self.images[places], self.labels[places])


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set, divided for a search.

    Args:
        name: As users write it, such as ``fashion-mnist:/data/fashion``.
        train: Seen in training; normalisation comes from it alone.
        validation: Tells epochs and candidates apart.
        test: For what is reported in the end.
        class_names: In the order of the labels.
        augmentation: What such images may go through without becoming others.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    class_names: tuple[str, ...]
    augmentation: Augmentation = Augmentation()  # noqa: RUF009 - frozen

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)`` of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the training images' channels, each ``(channels, 1, 1)``."""
        values = torch.arange(256, dtype=torch.float64)
        means, deviations = [], []
        for channel in self.train.images.unbind(1):
            # Exact and without a copy of all pixels in floating point.
            shares = torch.bincount(channel.flatten(), minlength=256) / channel.numel()
            mean = (values * shares).sum()
            means.append(mean)
            deviations.append(((values - mean).square() * shares).sum().sqrt().clamp_min(_SMALLEST_DEVIATION))
        mean, deviation = (torch.stack(s).float().reshape(-1, 1, 1) for s in (means, deviations))
        return mean, deviation

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images' pixels, from 0 to 255, by channel."""
        return tuple(self._statistics[0].flatten().tolist())

    @property
    def deviation(self) -> tuple[float, ...]:
        """Standard deviation of the training images' pixels by channel."""
        return tuple(self._statistics[1].flatten().tolist())

    def record(self) -> dict[str, Any]:
        """What users of a trained network need: its classes, and how pixels are normalised; JSON-ready."""
        return {
            "data": self.name,
            "classes": list(self.class_names),
            "pixel_mean": list(self.mean),
            "pixel_deviation": list(self.deviation),
        }

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """Pixels as networks read them: float32 of mean 0 and deviation 1 in each channel of the training
        images.

        Args:
            images: uint8, ``(n, channels, height, width)``.

        Returns:
            Of the same shape, in memory channels last.
        """
        mean, deviation = self._statistics
        return images.to(torch.float32, memory_format=torch.channels_last).sub_(mean).div_(deviation)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over all images and labels, and how they are divided."""
        found = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            found.update(repr(tuple(part.images.shape)).encode())
            for tensor in (part.images, part.labels):
                found.update(tensor.contiguous().numpy().data)
        found.update(repr((self.class_names, self.augmentation)).encode())
        return found.hexdigest()[:_DIGITS]
