"""Which sizes of a study make a grid without holes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Values of depth or width below which there is no trend to speak of.
FEWEST = 3

#: Values of the axis and batches, both ascending.
Grid = tuple[tuple[int, ...], tuple[int, ...]]


def largest_grid(complete: Mapping[int, frozenset[int]]) -> Grid:
    """The most cells that are there for every value at every batch.

    Grids of at least :data:`FEWEST` values go before larger ones of fewer; of equal grids the one with more
    values, then with smaller batches.

    Args:
        complete: Batch -> the values at which nothing is missing.
    """
    shared = set(complete.values())
    for values in complete.values():
        shared |= {values & other for other in shared}
    grids = [
        (tuple(sorted(values)), tuple(sorted(b for b, own in complete.items() if own >= values)))
        for values in shared
    ]
    return max(grids, key=_rank, default=((), ()))


def smallest_batch(complete: Mapping[int, frozenset[int]]) -> Grid:
    """All values of the smallest batch that has :data:`FEWEST`; of the smallest at all where none has.

    Args:
        complete: Batch -> the values at which nothing is missing.
    """
    known = sorted(
        (b for b, values in complete.items() if values), key=lambda b: (len(complete[b]) < FEWEST, b)
    )
    return (tuple(sorted(complete[known[0]])), (known[0],)) if known else ((), ())


def _rank(grid: Grid) -> tuple[Any, ...]:
    values, batches = grid
    return len(values) >= FEWEST, len(values) * len(batches), len(values), [-b for b in batches]
