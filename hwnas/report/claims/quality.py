"""How good the measurements are that a claim is judged by, without a look at what they say."""

from __future__ import annotations

from collections.abc import Sequence

from hwnas.report.cells import Cell
from hwnas.report.context import passes, plural

#: Not ``contradicted``, which follows from the values themselves.
_DISTURBED = {"noisy", "preempted"}


def disturbed(cells: Sequence[Cell]) -> int:
    """How many cells are noisy or were preempted, as the report flags them."""
    return sum(bool(_DISTURBED.intersection(c.flags)) for c in cells)


def quality_rank(cells: Sequence[Cell]) -> tuple[int, int]:
    """Orders measurements of the same networks, the best last: few disturbed cells, then many passes."""
    return -disturbed(cells), min((c.estimate.passes for c in cells if c.estimate), default=0)


def quality(cells: Sequence[Cell]) -> str:
    """``2 to 3 passes, 3 of 22 cells noisy or preempted``."""
    return f"{passes(cells)}, {disturbed(cells)} of {plural(len(cells), 'cell')} noisy or preempted"
