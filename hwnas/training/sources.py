"""Where images come from: what every reader of a data set gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hwnas.core.errors import UsageError
from hwnas.training.augmentation import Augmentation
from hwnas.training.image_data import Part

#: Height and width of images from a folder, where the user does not say.
FOLDER_SIZE = 64


@dataclass(frozen=True, eq=False)
class Source:
    """Images as their authors divided them.

    Args:
        train: For training and, where the others are missing, for them too.
        class_names: In the order of the labels.
        augmentation: What such images may go through without becoming others.
        validation: None where the authors did not say.
        test: None where the authors did not say.
    """

    train: Part
    class_names: tuple[str, ...]
    augmentation: Augmentation
    validation: Part | None = None
    test: Part | None = None


class Reader(Protocol):
    """Reads a data set; entry points of the group ``hwnas.datasets`` name such functions."""

    def __call__(self, folder: str, image_size: int | None, /) -> Source:
        """Read images from disk; nothing is downloaded.

        Args:
            folder: What stands behind the colon of the data set's name; empty where nothing does.
            image_size: Height and width that the user asks for; None for the data set's own.

        Raises:
            UsageError: The folder, its files or the size cannot be used.
        """
        ...


def own_folder(kind: str, folder: str, hint: str) -> Path:
    """The folder of a data set that needs one.

    Args:
        kind: Of the data set.
        folder: As given.
        hint: Where its files come from.

    Raises:
        UsageError: None was given, or there is no such folder.
    """
    if not folder:
        raise UsageError(f"the data {kind} need a folder", f"Write {kind}:FOLDER. {hint}")
    try:
        path = Path(folder).expanduser()
        there = path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError for ~nobody
        raise UsageError(f"cannot look at {folder!r}: {error}", "Check the path") from error
    if not there:
        raise UsageError(f"there is no folder {folder!r} for the data {kind}", hint)
    return path


def refuse_size(kind: str, image_size: int | None) -> None:
    """Refuse another size for images that have one.

    Raises:
        UsageError: A size was asked for.
    """
    if image_size is not None:
        raise UsageError(
            f"the images of {kind} have a size of their own, not {image_size}",
            "Leave the image size out; folder:FOLDER takes one",
        )
