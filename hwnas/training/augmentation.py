"""Light augmentation of whole batches: shifts, and mirrors where a mirrored image means the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image in training.

    Args:
        shift: Pixels by which it may move in each direction, what comes in being 0.
        flip: Whether half of the images are mirrored, left to right.
    """

    shift: int = 0
    flip: bool = False

    def __call__(self, images: torch.Tensor, source: torch.Generator) -> torch.Tensor:
        """Images that have been moved and mirrored, each by itself.

        Args:
            images: ``(n, channels, height, width)``, any dtype; not changed.
            source: Of all that is random; two calls draw from it whatever the settings.
        """
        count, channels, height, width = images.shape
        moves = torch.randint(0, 2 * self.shift + 1, (2, count, 1), generator=source)
        mirrored = torch.randint(0, 2, (count, 1), generator=source).bool() & self.flip
        if not self.shift and not self.flip:
            return images
        padded = functional.pad(images, (self.shift,) * 4)
        rows = torch.arange(height) + moves[0]
        forwards = torch.arange(width)
        columns = torch.where(mirrored, forwards.flip(0), forwards) + moves[1]
        return padded[
            torch.arange(count)[:, None, None, None],
            torch.arange(channels)[None, :, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]
