"""Data sets by name: ``digits``, ``fashion-mnist:FOLDER``, ``cifar10:FOLDER`` and ``folder:FOLDER``."""

from __future__ import annotations

from hwnas.core.errors import UsageError
from hwnas.core.registry import Registry
from hwnas.training.image_data import ImageData, Part
from hwnas.training.sources import Reader, Source
from hwnas.training.splitting import check_classes, held_out, hold_out

_PACKAGE = "hwnas.training"
#: What stands before the colon -> a :class:`hwnas.training.sources.Reader`.
DATASETS = Registry(
    "data set",
    "hwnas.datasets",
    {
        "digits": f"{_PACKAGE}.digits:read_digits",
        "fashion-mnist": f"{_PACKAGE}.fashion_mnist:read_fashion_mnist",
        "cifar10": f"{_PACKAGE}.torchvision_images:read_cifar10",
        "folder": f"{_PACKAGE}.torchvision_images:read_folder",
    },
)


def load_data(name: str = "digits", *, seed: int = 0, image_size: int | None = None) -> ImageData:
    """Read a data set and divide it.

    Where its authors did not hold out images for validation and test, a fifth of all, at most 5000, is taken
    for each, every class having its share.

    Args:
        name: Such as ``digits`` or ``fashion-mnist:/usr/share/datasets/fashion-mnist``.
        seed: Of the division. Accuracies are comparable under the same one only.
        image_size: Height and width of the images of a ``folder``; None for 64.

    Raises:
        UnknownName: No such data set.
        UsageError: Its folder, its files, its size or its number of images cannot be used.
    """
    kind, _, folder = name.partition(":")
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed {seed} is out of range", "Give a seed from 0 to 2**63 - 1")
    read: Reader = DATASETS.load(kind)
    return divided(name, read(folder, image_size), seed)


def divided(name: str, source: Source, seed: int = 0) -> ImageData:
    """Images in three parts.

    Args:
        name: For messages and records.
        source: The images.
        seed: Of what is held out.

    Raises:
        UsageError: A class has too few images.
    """
    train = source.train
    count = held_out(train)
    parts: dict[str, Part] = {}
    for number, (what, given) in enumerate((("test", source.test), ("validation", source.validation))):
        if given is None:
            train, given = hold_out(train, count, 2 * seed + number)
        parts[what] = given
    parts["training"] = train
    check_classes(name, parts, source.class_names)
    return ImageData(name, train, parts["validation"], parts["test"], source.class_names, source.augmentation)
