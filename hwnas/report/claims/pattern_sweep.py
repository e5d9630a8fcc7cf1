"""The study's six patterns over depth or width, as far as all of them were measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from textwrap import shorten

from hwnas.core.workload import Workload
from hwnas.report.cells import Cell
from hwnas.report.claims.grid import FEWEST, Grid, largest_grid, smallest_batch
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.quality import quality
from hwnas.report.claims.studied import ACCELERATED, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, speedup
from hwnas.report.claims.wording import listed
from hwnas.report.context import plural
from hwnas.report.order import number
from hwnas.report.sweeps import Sweep
from hwnas.workloads.patterns import pattern_workload

_REASON_CHARACTERS = 160


class PatternSweep:
    """The values and batches at which all six patterns were measured on every arm; other cells take no part.

    Measured is what has a latency, and a speedup on all arms but the baseline. Where too few have one to make a
    study, as where the arms never ran side by side, latencies are enough.

    Args:
        sweep: Cells of patterns; those with another kernel or other groups than the study's are left out.
        arms: Full ids.
        baseline: That speedups refer to; None, or none of the arms, where latencies are all that counts.
        one_batch: Whether only the smallest batch is wanted, with all its values.
    """

    def __init__(
        self, sweep: Sweep, arms: Sequence[str], baseline: str | None = None, *, one_batch: bool = False
    ) -> None:
        self.axis, self.image, self.fixed, self.threads = sweep.axis, sweep.image, sweep.fixed, sweep.threads
        self._each = tuple(itertools.product(STUDIED_PATTERNS, arms))
        self._cells: dict[tuple[str, str, int, int], Cell] = {
            (c.workload.name, c.backend, c.workload.batch, number(c.workload, sweep.axis) or 0): c
            for c in sweep.cells
            if c.backend in arms and _is_the_studys(c.workload)
        }
        self._compared = frozenset(a for a in arms if baseline in arms and a != baseline)
        complete = self._complete()
        if self._compared and len(largest_grid(complete)[0]) < FEWEST:
            self._compared = frozenset()
            complete = self._complete()
        whole = largest_grid(complete)
        grid = smallest_batch(complete) if one_batch else whole
        #: Networks of the largest grid over all batches, also where one batch alone is wanted.
        self.networks = len(STUDIED_PATTERNS) * len(whole[0]) * len(whole[1])
        #: Values of the axis, and batches, ascending.
        self.values, self.batches = grid
        #: Sizes that were seen and take no part, each with its first reason.
        self.left_out = list(self._left_out(grid, one_batch))

    def _complete(self) -> dict[int, frozenset[int]]:
        """Batch -> the values at which nothing is missing."""
        places = {(b, v) for _, _, b, v in self._cells}
        return {
            batch: frozenset(v for b, v in places if b == batch and self._hole(b, v) is None)
            for batch in {b for b, _ in places}
        }

    def _hole(self, batch: int, value: int) -> str | None:
        """Why a size has no complete measurement; None where it has one."""
        for pattern, arm in self._each:
            cell = self._cells.get((pattern, arm, batch, value))
            if cell is None or cell.estimate is None or (arm in self._compared and cell.comparison is None):
                return self._lacking(pattern, arm, batch, value)
        return None

    def _lacking(self, pattern: str, arm: str, batch: int, value: int) -> str:
        cell = self._cells.get((pattern, arm, batch, value))
        what = f"{pattern} of {self.axis} {value} and batch {batch} on {arm}"
        if cell is None:
            return f"nothing was measured for {what}"
        if cell.estimate is None:
            lost, why = str(cell.status), cell.reason
        else:
            lost, why = "no speedup", cell.no_comparison
        return f"{what}: {lost} ({shorten(why, _REASON_CHARACTERS, placeholder=' ...')})"

    def _left_out(self, grid: Grid, one_batch: bool) -> Iterator[str]:
        values, batches = grid
        seen_batches = sorted({b for _, _, b, _ in self._cells})
        kept_batches = batches or seen_batches[:1]
        places = {(b, v) for _, _, b, v in self._cells}
        for value in sorted({v for b, v in places if b in kept_batches and v not in values}):
            reasons = (self._hole(b, value) for b in kept_batches)
            yield f"{self.axis} {value} ({next(filter(None, reasons), '')})"
        for batch in () if one_batch else (b for b in seen_batches if b not in kept_batches):
            reasons = (self._hole(batch, v) for v in values)
            yield f"batch {batch} ({next(filter(None, reasons), '')})"

    @property
    def compared(self) -> bool:
        """Whether speedups were asked for and are there."""
        return bool(self._compared)

    @property
    def size(self) -> int:
        """Networks."""
        return len(STUDIED_PATTERNS) * len(self.values) * len(self.batches)

    @property
    def cells(self) -> list[Cell]:
        """Those that take part, of all arms."""
        places = itertools.product(self._each, self.batches, self.values)
        return [self._cells[pattern, arm, b, v] for (pattern, arm), b, v in places]

    @property
    def pixels(self) -> int:
        """Of a feature map."""
        height, _, width = self.image.partition("x")
        return int(height) * int(width or height)

    def note(self, *further: str) -> str:
        """What all cells share, for people; how good they are, and what was left out.

        Args:
            *further: Conditions that these cells do not tell, such as the depth that a rule looks at.
        """
        other = "width" if self.axis == "depth" else "depth"
        batches = f"batch {self.batches[0]}" if len(self.batches) == 1 else f"batches {_and(self.batches)}"
        conditions = [self.image, f"{other} {self.fixed}", batches, plural(self.threads, "thread"), *further]
        parts = [", ".join(conditions), quality(self.cells)]
        if self.left_out:
            parts.append(f"left out: {listed(self.left_out)}")
        return "; ".join(parts)

    def at_greatest(self) -> str:
        """``depth 50``: the value at which many rules look."""
        return f"{self.axis} {self.values[-1]}"

    def cell(self, pattern: str, backend: str, value: int, batch: int | None = None) -> Cell:
        """A cell with a latency; the smallest batch where none is named.

        Raises:
            MissingEvidence: There is none.
        """
        batch = self.batches[0] if batch is None else batch
        found = self._cells.get((pattern, backend, batch, value))
        if found is None or found.estimate is None:
            raise MissingEvidence(self._lacking(pattern, backend, batch, value))
        return found

    def line(self, pattern: str, backend: str, batch: int | None = None) -> list[Cell]:
        """The cells over all values.

        Raises:
            MissingEvidence: One has no latency.
        """
        return [self.cell(pattern, backend, value, batch) for value in self.values]

    def speedup_at(self, pattern: str, value: int) -> Value:
        """Of the accelerated arm at one value and the smallest batch, whatever other patterns lack there.

        Raises:
            MissingEvidence: There is none.
        """
        return speedup(self.cell(pattern, ACCELERATED, value))

    def speedups(self, pattern: str, batch: int | None = None, backend: str = ACCELERATED) -> list[Value]:
        """Of an arm over all values.

        Raises:
            MissingEvidence: One is missing.
        """
        return [speedup(c) for c in self.line(pattern, backend, batch)]


def _and(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _is_the_studys(workload: Workload) -> bool:
    """Whether a stack has the pattern's own kernel, expansion and groups."""
    depth, width = number(workload, "depth"), number(workload, "width")
    if (
        workload.name not in STUDIED_PATTERNS
        or depth is None
        or width is None
        or len(workload.input_shape) != 4
    ):
        return False
    usual = pattern_workload(
        workload.name,
        depth=depth,
        width=width,
        batch=workload.batch,
        resolution=workload.input_shape[-1],
    )
    return usual == workload
