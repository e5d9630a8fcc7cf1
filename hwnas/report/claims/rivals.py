"""What is the most of all: compared with every other, not only with the one that came closest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwnas.report.claims.bounds import above
from hwnas.report.claims.combining import geometric_mean, mean_ratio
from hwnas.report.claims.finding import Part, Unit
from hwnas.report.claims.values import Value


def over_rivals(lines: Mapping[str, Sequence[Value]], first: Sequence[str]) -> list[Part]:
    """For each of the first, the ratio of its mean to that of every other, which must lie above 1.

    Args:
        lines: Name -> the numbers whose geometric mean counts.
        first: Names that are said to have the most; they are not compared with each other.
    """
    return [
        Part(f"{one} over {other}", mean_ratio(lines[one], lines[other]), above(1.0), Unit.TIMES)
        for one in first
        for other in lines
        if other not in first
    ]


def ranking(lines: Mapping[str, Sequence[Value]], most: int = 0) -> str:
    """The means, the largest first: ``grouped 3x [2.9, 3.1]; standard 2x [1.9, 2.1]``.

    Args:
        lines: As in :func:`over_rivals`.
        most: How many to tell; 0 for all.
    """
    means = {name: geometric_mean(values) for name, values in lines.items()}
    ordered = sorted(means, key=lambda name: -means[name].value)
    return "; ".join(f"{name} {means[name].text('x')}" for name in ordered[: most or None])
