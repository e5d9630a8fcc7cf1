"""The study's six patterns over depth or width, as far as all of them were measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hwnas.core.counter import SOURCES
from hwnas.core.workload import Workload
from hwnas.report.cells import Cell
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.studied import ACCELERATED, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, speedup
from hwnas.report.order import number
from hwnas.report.sweeps import Sweep
from hwnas.workloads.patterns import pattern_workload

#: Source and cache geometry of a count.
MissKind = tuple[str, str | None]

_ARMS = tuple(itertools.product(STUDIED_PATTERNS, (NATIVE, ACCELERATED)))


class PatternSweep:
    """The values and batches at which all six patterns were tried on both arms; other cells take no part.

    Args:
        sweep: Cells of patterns; those with another kernel or other groups than the study's are left out.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.axis, self.image, self.fixed, self.threads = sweep.axis, sweep.image, sweep.fixed, sweep.threads
        self._cells: dict[tuple[str, str, int, int], Cell] = {
            (c.workload.name, c.backend, c.workload.batch, number(c.workload, sweep.axis) or 0): c
            for c in sweep.cells
            if _is_the_studys(c.workload)
        }
        tried = {b: self._values_at(b) for b in {c.workload.batch for c in sweep.cells}}
        best = max(tried, key=lambda b: (len(tried[b]), -b), default=None)
        #: Values of the axis, ascending.
        self.values: tuple[int, ...] = tuple(sorted(tried[best])) if best is not None else ()
        #: Batches, ascending.
        self.batches = tuple(sorted(b for b, values in tried.items() if values >= set(self.values)))

    def _values_at(self, batch: int) -> set[int]:
        values = {value for _, _, b, value in self._cells if b == batch}
        return {v for v in values if all((p, arm, batch, v) in self._cells for p, arm in _ARMS)}

    @property
    def size(self) -> int:
        """Networks."""
        return len(STUDIED_PATTERNS) * len(self.values) * len(self.batches)

    @property
    def pixels(self) -> int:
        """Of a feature map."""
        height, _, width = self.image.partition("x")
        return int(height) * int(width or height)

    @property
    def condition(self) -> str:
        """What all cells share, for people."""
        other = "width" if self.axis == "depth" else "depth"
        return f"{self.image}, {other} {self.fixed}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def cell(self, pattern: str, backend: str, value: int, batch: int | None = None) -> Cell:
        """A cell with a latency; the smallest batch where none is named.

        Raises:
            MissingEvidence: There is none.
        """
        batch = self.batches[0] if batch is None else batch
        found = self._cells.get((pattern, backend, batch, value))
        what = f"{pattern} of {self.axis} {value} and batch {batch} on {backend}"
        if found is None:
            raise MissingEvidence(f"nothing was measured for {what}")
        if found.estimate is None:
            raise MissingEvidence(f"{what}: {found.status} ({found.reason})")
        return found

    def line(self, pattern: str, backend: str, batch: int | None = None) -> list[Cell]:
        """The cells over all values.

        Raises:
            MissingEvidence: One has no latency.
        """
        return [self.cell(pattern, backend, value, batch) for value in self.values]

    def speedups(self, pattern: str, batch: int | None = None) -> list[Value]:
        """Of the accelerated arm over all values.

        Raises:
            MissingEvidence: One is missing.
        """
        return [speedup(c) for c in self.line(pattern, ACCELERATED, batch)]

    def miss_kinds(self) -> set[MissKind]:
        """Sources and caches that counted every network of the smallest batch on both arms."""
        cells = [self._cells[p, arm, self.batches[0], v] for p, arm in _ARMS for v in self.values]
        kinds = [{(m.source, m.geometry) for m in c.cache_misses if m.value is not None} for c in cells]
        return set.intersection(*kinds) if kinds else set()


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


def preferred(kinds: Iterable[MissKind], geometry: str) -> MissKind:
    """The named cache where it was simulated, and of its sources the most direct one.

    Raises:
        MissingEvidence: There is none.
    """

    def rank(kind: MissKind) -> tuple[bool, int, str]:
        source, cache = kind
        # Another version's source may be one that this one does not know.
        directness = SOURCES.index(source) if source in SOURCES else len(SOURCES)
        return cache != geometry, directness, cache or ""

    found = sorted(kinds, key=rank)
    if not found:
        raise MissingEvidence("no source counted the cache misses of all these networks")
    return found[0]
