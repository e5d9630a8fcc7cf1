"""Networks drawn in text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.choice import option_text


def either(options: Iterable[Scalar]) -> str:
    """Options as alternatives, such as ``3|5``."""
    return "|".join(option_text(option) for option in options)


def side(height: int, width: int) -> str:
    """The size of a feature map, such as ``16x16``."""
    return f"{height}x{width}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as columns, one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
