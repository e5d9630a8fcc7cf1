"""scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels that come with the library."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from hwnas.core.errors import UsageError
from hwnas.training.augmentation import Augmentation
from hwnas.training.image_data import Part
from hwnas.training.sources import Source, refuse_size


def read_digits(folder: str, image_size: int | None) -> Source:
    """The digits; see :class:`hwnas.training.sources.Reader`.

    Source: E. Alpaydin, C. Kaynak. Optical Recognition of Handwritten Digits. UCI Machine Learning Repository,
    1998; the test images of that set.

    Raises:
        UsageError: A folder or a size was given.
    """
    if folder:
        raise UsageError(f"the data digits take no folder, but {folder!r} was given", "Write digits")
    refuse_size("digits", image_size)
    found = load_digits()
    images = torch.from_numpy(found.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(found.target).to(torch.int64)
    # A mirrored digit is none. The digits fill their image, so that a pixel is far.
    return Source(Part(images, labels), tuple(map(str, range(10))), Augmentation(shift=1))
