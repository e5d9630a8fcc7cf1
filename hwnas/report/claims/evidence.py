"""The measurements that claims are judged by, found by what they are for and not by their campaign's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from hwnas.core.cache_geometry import NAMED_CACHES
from hwnas.report.cells import Cell, Selection
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import MissKind, PatternSweep
from hwnas.report.claims.studied import ACCELERATED, NATIVE
from hwnas.report.claims.values import Value
from hwnas.report.order import Axis
from hwnas.report.sweeps import find_sweeps
from hwnas.workloads.catalogue import find_network

PAPER_CACHE = str(NAMED_CACHES["paper"])

#: Values of depth or width below which there is no trend to speak of.
_FEWEST = 3


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
        """The study over depth with the most networks."""
        return self._largest("depth")

    @cached_property
    def width(self) -> PatternSweep:
        """The study over width with the most networks."""
        return self._largest("width")

    @cached_property
    def depth_misses(self) -> PatternSweep:
        """The study over depth whose misses are known: on the study's own cache, of the largest images."""
        return self._with_misses("depth")

    @cached_property
    def width_misses(self) -> PatternSweep:
        """The same over width."""
        return self._with_misses("width")

    def _largest(self, axis: Axis) -> PatternSweep:
        found = self._sweeps(axis)
        if not found:
            raise MissingEvidence(
                f"no study of all six patterns over {axis} on both backends; run hwnas measure {axis}"
            )
        return max(found, key=lambda s: s.size)

    def _with_misses(self, axis: Axis) -> PatternSweep:
        found = [s for s in self._sweeps(axis) if s.miss_kinds()]
        if not found:
            raise MissingEvidence(
                f"no study of all six patterns over {axis} with cache misses; run hwnas measure cache_{axis}"
            )

        def rank(sweep: PatternSweep) -> tuple[bool, int]:
            # Where every activation fits into the cache, nothing is missed on either side.
            return any(geometry == PAPER_CACHE for _, geometry in sweep.miss_kinds()), sweep.pixels

        return max(found, key=rank)

    def _sweeps(self, axis: Axis) -> list[PatternSweep]:
        sweeps = [PatternSweep(s) for s in find_sweeps(self.selection().cells, axis)]
        return [s for s in sweeps if len(s.values) >= _FEWEST]

    def networks(self, names: Sequence[str], baseline: str = NATIVE) -> dict[str, Cell]:
        """Networks of the zoo on the accelerated arm, at the most threads at which all of them have a speedup.

        Args:
            names: As ``zoo:NAME`` takes them.
            baseline: That the speedups refer to.

        Raises:
            MissingEvidence: Some have none.
        """
        keys = {find_network(name).workload().key: name for name in names}
        found: dict[int, dict[str, Cell]] = {}
        for cell in self.selection(baseline).cells:
            name = keys.get(cell.workload.key)
            if name and cell.backend == ACCELERATED and cell.comparison and cell.estimate:
                found.setdefault(cell.threads, {})[name] = cell
        complete = [threads for threads, cells in found.items() if len(cells) == len(keys)]
        if complete:
            own = found[max(complete)]
            return {name: own[name] for name in names}
        most = max(found.values(), key=len, default={})
        missing = ", ".join(name for name in names if name not in most)
        raise MissingEvidence(f"no speedup of {missing} over {baseline}; run hwnas measure networks")


def count(cell: Cell, kind: MissKind) -> float:
    """Cache misses of one inference by a source that counted them."""
    (found,) = (m.value for m in cell.cache_misses if (m.source, m.geometry) == kind)
    return found or 0.0


def misses(cell: Cell, kind: MissKind) -> Value:
    """The same, at least 1, so that ratios exist."""
    return Value.exact(max(count(cell, kind), 1.0))
