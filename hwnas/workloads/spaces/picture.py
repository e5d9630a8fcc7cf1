"""Networks drawn in text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.choice import option_text

#: Name of a part, what it is, and the size of its feature maps.
Row = tuple[str, str, str]


def either(options: Iterable[Scalar]) -> str:
    """Options as alternatives, such as ``3|5``."""
    return "|".join(option_text(option) for option in options)


def side(height: int, width: int) -> str:
    """The size of a feature map, such as ``16x16``."""
    return f"{height}x{width}"


def drawn(
    input_shape: Sequence[int], stem: tuple[str, str], body: Iterable[Row], head: str, classes: int
) -> str:
    """A network from its images to its scores, a line for each part.

    Args:
        input_shape: ``(channels, height, width)`` of an image.
        stem: What it is, and the size of what it writes.
        body: What stands between stem and head.
        head: What it is.
        classes: Scores for an image.
    """
    images = ("images", "", "x".join(map(str, input_shape)))
    return _aligned([images, ("stem", *stem), *body, ("head", head, f"{classes} scores")])


def pooled_head(features: int) -> str:
    """A head that averages, behind a 1 x 1 convolution to `features` channels where there are any."""
    first = f"1x1 convolution to {features}, " if features else ""
    return f"{first}average pooling, linear"


def _aligned(rows: Sequence[Row]) -> str:
    """Rows of texts as columns, one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
