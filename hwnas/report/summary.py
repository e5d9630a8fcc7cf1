"""Speedups of several networks as one: the geometric mean, its range, and the verdicts."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import Cell

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Summary:
    """The comparisons of one group of cells.

    Args:
        speedup: Geometric mean of the speedups.
        smallest: The smallest of them.
        largest: The largest of them.
        networks: How many went in.
        verdicts: Verdict -> how many.
    """

    speedup: float
    smallest: float
    largest: float
    networks: int
    verdicts: Counter[Verdict]


def summarise(cells: Iterable[Cell], key: Callable[[Cell], Key]) -> dict[Key, Summary]:
    """Summaries of the cells that have a comparison, by `key`, in the order of the cells.

    Source: geometric means, because they do not depend on which arm is the baseline (Fleming
    and Wallace, How not to lie with statistics, Communications of the ACM 29, 1986).
    """
    groups: dict[Key, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.comparison is not None:
            groups[key(cell)].append(cell)
    return {name: _summary(members) for name, members in groups.items()}


def _summary(cells: list[Cell]) -> Summary:
    found = [c.comparison for c in cells if c.comparison is not None]
    speedups = [c.speedup for c in found]
    return Summary(
        speedup=statistics.geometric_mean(speedups),
        smallest=min(speedups),
        largest=max(speedups),
        networks=len(found),
        verdicts=Counter(c.verdict for c in found),
    )
