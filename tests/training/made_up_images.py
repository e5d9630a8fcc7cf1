"""Images that take no time to learn, and files of data sets that hold a few of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import torch
from torch import nn

from hwnas.training.augmentation import Augmentation
from hwnas.training.datasets import divided
from hwnas.training.image_data import ImageData, Part
from hwnas.training.sources import Source
from hwnas.workloads.randomness import seeded


def made_up_part(count: int, classes: int = 3, side: int = 8, channels: int = 1, seed: int = 0) -> Part:
    """Noise with a bright column whose place tells the class; as many of each class."""
    source = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (count, channels, side, side), generator=source, dtype=torch.uint8)
    labels = torch.arange(count) % classes
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, :, label] += 90
    return Part(images, labels)


def made_up_data(count: int = 120, classes: int = 3, side: int = 8, shift: int = 0) -> ImageData:
    """Three fifths of `count` images to train on, a fifth each for validation and test."""
    names = tuple("abcdefghij"[:classes])
    return divided("made-up", Source(made_up_part(count, classes, side), names, Augmentation(shift)))


def small_network(data: ImageData, seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    """Two convolutions of which one is depthwise, normalisations, dropout and a classifier."""
    channels = data.input_shape[0]
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(8 * data.input_shape[1] * data.input_shape[2], data.classes),
        )


def idx_bytes(values: torch.Tensor) -> bytes:
    """An IDX file of unsigned bytes."""
    sizes = values.shape
    header = struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    return header + values.to(torch.uint8).contiguous().numpy().tobytes()


def write_fashion_mnist(folder: Path, train: int = 60, test: int = 20, *, compressed: bool = True) -> Path:
    """The four files of Fashion-MNIST, with a few small images of ten classes."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", test)):
        part = made_up_part(count, classes=10, side=28)
        for name, values in (("images-idx3", part.images[:, 0]), ("labels-idx1", part.labels)):
            data = idx_bytes(values)
            if compressed:
                (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(gzip.compress(data))
            else:
                (folder / f"{prefix}-{name}-ubyte").write_bytes(data)
    return folder
