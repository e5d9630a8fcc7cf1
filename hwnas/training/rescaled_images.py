"""Images of another size, and in as many channels as a network reads."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from hwnas.core.errors import UsageError
from hwnas.training.augmentation import Augmentation
from hwnas.training.image_data import ImageData, Part
from hwnas.training.memory import check_image_memory

#: Images that are scaled at once.
_AT_ONCE = 1000


def rescaled(data: ImageData, channels: int, side: int) -> ImageData:
    """The same data as squares of `side`, grey images repeated in every channel.

    Shifts of the augmentation grow with the images.

    Args:
        data: Left as it is.
        channels: Of the result.
        side: Height and width of the result.

    Raises:
        UsageError: Images in colour for another number of channels, or they do not fit into memory.
    """
    own, height, width = data.input_shape
    if (own, height, width) == (channels, side, side):
        return data
    if own not in (1, channels):
        raise UsageError(
            f"the images of {data.name} have {own} channels, and the network reads {channels}",
            "Give another network or other data",
        )
    count = sum(map(len, (data.train, data.validation, data.test)))
    check_image_memory(f"images of {data.name}", count, (channels, side, side))
    shift = round(data.augmentation.shift * side / height)
    return replace(
        data,
        train=_scaled(data.train, channels, side),
        validation=_scaled(data.validation, channels, side),
        test=_scaled(data.test, channels, side),
        augmentation=Augmentation(shift=shift, flip=data.augmentation.flip),
    )


def _scaled(part: Part, channels: int, side: int) -> Part:
    found = torch.empty((len(part), channels, side, side), dtype=torch.uint8)
    for start in range(0, len(part), _AT_ONCE):
        images = part.images[start : start + _AT_ONCE].float()
        scaled = functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        found[start : start + _AT_ONCE] = scaled.round().clamp(0, 255).to(torch.uint8)
    return Part(found, part.labels)
