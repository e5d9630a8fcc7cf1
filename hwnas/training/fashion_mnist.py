"""Fashion-MNIST: 70 000 grey images of 28 x 28 pixels, as IDX files in a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from hwnas.core.errors import UsageError
from hwnas.training.augmentation import Augmentation
from hwnas.training.idx_files import find_idx, read_idx
from hwnas.training.image_data import Part
from hwnas.training.sources import Source, own_folder, refuse_size

KIND = "fashion-mnist"

_NAMES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_HINT = (
    "Give the folder with train-images-idx3-ubyte and its three companions, plain or .gz; Debian's package "
    "dataset-fashion-mnist puts them into /usr/share/datasets/fashion-mnist"
)


def read_fashion_mnist(folder: str, image_size: int | None) -> Source:
    """Clothes from Zalando; see :class:`hwnas.training.sources.Reader`.

    Source: H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
    Learning Algorithms. 2017, arXiv:1708.07747.

    Raises:
        UsageError: The folder, one of its four files, or a size that was given cannot be used.
    """
    refuse_size(KIND, image_size)
    path = own_folder(KIND, folder, _HINT)
    train, test = _part(path, "train"), _part(path, "t10k")
    if train.images.shape[1:] != test.images.shape[1:]:
        raise UsageError(f"training and test images in {folder} are of different sizes", _HINT)
    # Sneakers show either side; the other clothes are nearly symmetric.
    return Source(train, _NAMES, Augmentation(shift=2, flip=True), test=test)


def _part(folder: Path, prefix: str) -> Part:
    files = [find_idx(folder, f"{prefix}-{what}-ubyte", _HINT) for what in ("images-idx3", "labels-idx1")]
    images, labels = read_idx(files[0], 3).unsqueeze(1), read_idx(files[1], 1).to(torch.int64)
    if len(images) != len(labels):
        raise UsageError(
            f"{files[0]} has {len(images)} images, but {files[1]} has {len(labels)} labels", "Get both again"
        )
    if int(labels.max()) >= len(_NAMES):
        raise UsageError(
            f"{files[1]} has the label {int(labels.max())}, but there are {len(_NAMES)} classes", _HINT
        )
    return Part(images, labels)
