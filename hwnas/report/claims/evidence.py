"""The measurements that claims are judged by, found by what they are for and not by their campaign's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hwnas.core.counter import SOURCES
from hwnas.report.cells import Cell, Selection
from hwnas.report.claims.finding import MissingEvidence
from hwnas.report.claims.values import Value
from hwnas.report.order import Axis
from hwnas.report.sweeps import Sweep, find_sweeps
from hwnas.workloads.patterns import PATTERNS

NATIVE = "torch:cpu:fp32"
ACCELERATED = "openvino:cpu:fp32"
GPU = "openvino:gpu:fp16"

#: Values of depth or width below which there is no trend to speak of.
_FEWEST = 3


@dataclass(frozen=True)
class Misses:
    """Where cache misses come from: one source and one cache."""

    source: str
    geometry: str | None


class PatternSweep:
    """Six patterns over depth or width.

    Args:
        sweep: The cells.
        axis: Depth or width.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.values = sweep.values
        self.batches = tuple(sorted({c.workload.batch for c in sweep.cells}))
        self._cells: dict[tuple[str, str, int, int], Cell] = {
            (line.cells[0].workload.name if line.cells[0] else name, line.backend, line.batch, value): cell
            for name, lines in sweep.panels.items()
            for line in lines
            for value, cell in zip(sweep.values, line.cells, strict=True)
            if cell is not None
        }

    def cell(self, pattern: str, backend: str, value: int, batch: int | None = None) -> Cell:
        """A cell with a latency; the smallest batch where none is named.

        Raises:
            MissingEvidence: There is none.
        """
        batch = self.batches[0] if batch is None else batch
        found = self._cells.get((pattern, backend, batch, value))
        what = f"{pattern} of {self.sweep.axis} {value} and batch {batch} on {backend}"
        if found is None:
            raise MissingEvidence(f"nothing was measured for {what}")
        if found.estimate is None:
            raise MissingEvidence(f"{what}: {found.status} ({found.reason})")
        return found

    def line(self, pattern: str, backend: str, batch: int | None = None) -> list[Cell]:
        """The cells over the whole sweep.

        Raises:
            MissingEvidence: One is missing.
        """
        return [self.cell(pattern, backend, value, batch) for value in self.values]

    @property
    def condition(self) -> str:
        """What all cells share, for people."""
        fixed = "width" if self.sweep.axis == "depth" else "depth"
        threads = self.sweep.threads
        return f"{self.sweep.image}, {fixed} {self.sweep.fixed}, {threads} thread{'s' if threads > 1 else ''}"


class Evidence:
    """What was measured in one environment.

    Args:
        select: The cells with speedups over a baseline, which has a full id.
    """

    def __init__(self, select: Callable[[str], Selection]) -> None:
        self._select = select
        self._selections: dict[str, Selection] = {}

    def selection(self, baseline: str = NATIVE) -> Selection:
        """All cells, with speedups over a backend."""
        if baseline not in self._selections:
            self._selections[baseline] = self._select(baseline)
        return self._selections[baseline]

    @cached_property
    def depth(self) -> PatternSweep:
        """The study over depth with the most cells."""
        return self._sweep("depth", with_misses=False)

    @cached_property
    def width(self) -> PatternSweep:
        """The study over width with the most cells."""
        return self._sweep("width", with_misses=False)

    @cached_property
    def depth_misses(self) -> PatternSweep:
        """The study over depth with the most cells whose misses are known; of equals, that of larger images."""
        return self._sweep("depth", with_misses=True)

    @cached_property
    def width_misses(self) -> PatternSweep:
        """The study over width with the most cells whose misses are known; of equals, that of larger images."""
        return self._sweep("width", with_misses=True)

    def _sweep(self, axis: Axis, *, with_misses: bool) -> PatternSweep:
        sweeps = [s for s in find_sweeps(self.selection().cells, axis) if len(s.values) >= _FEWEST]
        if with_misses:
            sweeps = [s for s in sweeps if any(c.cache_misses for c in s.cells)]
            # Where every activation fits into the cache, nothing is missed on either side.
            sweeps.sort(key=lambda s: -int(s.image.partition("x")[0]))
        if not sweeps:
            what = " with cache misses" if with_misses else ""
            raise MissingEvidence(f"no study of the patterns over {axis}{what}; run hwnas measure {axis}")
        return PatternSweep(sweeps[0])

    def networks(self, backend: str, baseline: str = NATIVE, threads: int | None = None) -> dict[str, Cell]:
        """Cells of whole networks by name, at the most threads that were measured where none are named."""
        cells = [c for c in self.selection(baseline).cells if c.workload.kind != "pattern" and c.estimate]
        count = threads or max((c.threads for c in cells), default=0)
        found = [c for c in cells if c.backend == backend and c.threads == count and c.workload.batch == 1]
        return {c.workload.name: c for c in found}


def patterns() -> list[str]:
    """The study's patterns."""
    return list(PATTERNS)


def misses_source(cells: list[Cell], preferred: str | None) -> Misses:
    """The most direct source that counted all cells, on the preferred cache where that was simulated.

    Raises:
        MissingEvidence: No source counted all of them.
    """
    kinds = [{(m.source, m.geometry) for m in c.cache_misses if m.value is not None} for c in cells]
    shared = set.intersection(*kinds) if kinds else set()
    if not shared:
        raise MissingEvidence("no source counted the cache misses of all these cells")
    return Misses(*min(shared, key=lambda k: (SOURCES.index(k[0]), k[1] != preferred, k[1] or "")))


def count(cell: Cell, source: Misses) -> float:
    """Cache misses of one inference by a source that counted them."""
    place = source.source, source.geometry
    (found,) = (m.value for m in cell.cache_misses if (m.source, m.geometry) == place)
    return found or 0.0


def misses(cell: Cell, source: Misses) -> Value:
    """The same, at least 1, so that ratios exist."""
    return Value.exact(max(count(cell, source), 1.0))
