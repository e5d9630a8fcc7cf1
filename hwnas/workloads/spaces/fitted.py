"""Names of spaces for other images than their file says, such as ``patterns@1x8x8-10``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUFFIX = re.compile(r"(?P<name>.+)@(?P<image>[0-9]+x[0-9]+x[0-9]+)-(?P<classes>[0-9]{1,9})")


@dataclass(frozen=True)
class Fit:
    """What takes the place of a file's own ``input`` and ``classes``.

    Args:
        image: Channels, height and width as a file writes them.
        classes: Scores that a network gives for an image.
    """

    image: str
    classes: int

    @classmethod
    def to(cls, input_shape: tuple[int, ...], classes: int) -> Fit:
        """To images of ``(channels, height, width)``."""
        return cls("x".join(map(str, input_shape)), classes)

    def __str__(self) -> str:
        return f"{self.image}-{self.classes}"


def split_fit(name: str) -> tuple[str, Fit | None]:
    """The name of a space's file, and what it is fitted to; None for what the file says.

    >>> split_fit("patterns@1x8x8-10")
    ('patterns', Fit(image='1x8x8', classes=10))
    >>> split_fit("me@home/mine.yaml")
    ('me@home/mine.yaml', None)
    """
    found = _SUFFIX.fullmatch(name)
    if found is None:
        return name, None
    return found["name"], Fit(found["image"], int(found["classes"]))
