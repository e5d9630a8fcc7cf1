"""CIFAR-10 and folders of images, read through torchvision; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image

from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.training.augmentation import Augmentation
from hwnas.training.image_data import Part
from hwnas.training.memory import check_image_memory
from hwnas.training.sources import FOLDER_SIZE, Source, own_folder, refuse_size

CIFAR10, FOLDER = "cifar10", "folder"

_CIFAR10_FOLDER = "cifar-10-batches-py"
_CIFAR10_HINT = f"Give the folder that holds {_CIFAR10_FOLDER}, unpacked from cifar-10-python.tar.gz"
_FOLDER_HINT = (
    "Give a folder with a folder of images for every class, or with such folders in train, val and test"
)

_LARGEST_SIZE = 1024

#: Names of folders that divide images.
_PARTS = {"validation": ("val", "valid", "validation"), "test": ("test",)}


def read_cifar10(folder: str, image_size: int | None) -> Source:
    """60 000 small photographs in 10 classes; see :class:`hwnas.training.sources.Reader`.

    torchvision unpickles the files, and does so only if their checksums are those of the published ones.

    Source: A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009.

    Raises:
        UsageError: The folder or its files, or a size that was given, cannot be used.
    """
    refuse_size(CIFAR10, image_size)
    path = own_folder(CIFAR10, folder, _CIFAR10_HINT)
    root = path.parent if path.resolve().name == _CIFAR10_FOLDER else path
    train, test = (
        _read(folder, _CIFAR10_HINT, partial(torchvision.datasets.CIFAR10, root, train=first, download=False))
        for first in (True, False)
    )
    names = tuple(train.classes)
    return Source(_of_arrays(train), names, Augmentation(shift=4, flip=True), test=_of_arrays(test))


def _of_arrays(found: Any) -> Part:
    images = torch.from_numpy(np.ascontiguousarray(found.data.transpose(0, 3, 1, 2)))
    return Part(images, torch.tensor(found.targets, dtype=torch.int64))


def read_folder(folder: str, image_size: int | None) -> Source:
    """Images in one folder a class, cut to squares of one size; see :class:`hwnas.training.sources.Reader`.

    Raises:
        UsageError: The folder has no such images, one cannot be read, or they do not fit into memory.
    """
    path = own_folder(FOLDER, folder, _FOLDER_HINT)
    size = FOLDER_SIZE if image_size is None else image_size
    if not 8 <= size <= _LARGEST_SIZE:
        raise UsageError(f"the image size {size} is out of range", f"Give one from 8 to {_LARGEST_SIZE}")
    divided = _read(folder, _FOLDER_HINT, partial(_has_folders, path / "train"))
    train, names = _images(path / "train" if divided else path, size)
    others: dict[str, Part] = {}
    for part, folders in _PARTS.items() if divided else ():
        for found in (path / name for name in folders if (path / name).is_dir()):
            others[part], own = _images(found, size)
            if own != names:
                raise UsageError(f"{found} has other classes than {path / 'train'}", _FOLDER_HINT)
    return Source(train, names, Augmentation(shift=size // 8, flip=True), **others)


def _has_folders(path: Path) -> bool:
    return path.is_dir() and any(entry.is_dir() for entry in path.iterdir())


def _images(path: Path, size: int) -> tuple[Part, tuple[str, ...]]:
    found = _read(str(path), _FOLDER_HINT, partial(torchvision.datasets.ImageFolder, path))
    check_image_memory(f"images in {path}", len(found.samples), (3, size, size))
    images = torch.empty((len(found.samples), 3, size, size), dtype=torch.uint8)
    for place, (file, _) in enumerate(found.samples):
        images[place] = _square(file, size)
    return Part(images, torch.tensor(found.targets, dtype=torch.int64)), tuple(found.classes)


def _square(file: str, size: int) -> torch.Tensor:
    """The largest square in the middle of an image, scaled; uint8, ``(3, size, size)``."""
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (Image.DecompressionBombError, *FOREIGN_CODE_ERRORS) as error:
        raise UsageError(f"{file} cannot be read: {in_one_line(error)}", "Remove or replace it") from error
    side = min(image.size)
    left, top = ((whole - side) // 2 for whole in image.size)
    box = (left, top, left + side, top + side)
    # Cut first: the filter would look beyond a box.
    scaled = image.crop(box).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return torch.from_numpy(np.asarray(scaled).transpose(2, 0, 1).copy())


def _read(folder: str, hint: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except FOREIGN_CODE_ERRORS as error:
        raise UsageError(f"the images in {folder} cannot be read: {in_one_line(error)}", hint) from error
