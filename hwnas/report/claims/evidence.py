"""The measurements that claims are judged by, found by what they are for and not by their campaign's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from hwnas.core.cache_geometry import NAMED_CACHES
from hwnas.report.cells import Selection
from hwnas.report.claims.grid import FEWEST
from hwnas.report.claims.misses import miss_kinds
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.network_cells import NetworkCells, find_networks
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.quality import quality_rank
from hwnas.report.claims.studied import ACCELERATED, NATIVE
from hwnas.report.order import Axis
from hwnas.report.sweeps import find_sweeps

PAPER_CACHE = str(NAMED_CACHES["paper"])

_BOTH = (NATIVE, ACCELERATED)


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
        """The largest study over depth, at its smallest batch."""
        return self.largest("depth")

    @cached_property
    def depth_and_batch(self) -> PatternSweep:
        """The largest study over depth and batch."""
        return self.largest("depth", one_batch=False)

    @cached_property
    def width(self) -> PatternSweep:
        """The largest study over width, at its smallest batch."""
        return self.largest("width")

    @cached_property
    def depth_misses(self) -> PatternSweep:
        """The study over depth whose misses are judged."""
        return self.with_misses("depth")

    @cached_property
    def width_misses(self) -> PatternSweep:
        """The study over width whose misses are judged."""
        return self.with_misses("width")

    def largest(
        self, axis: Axis, arms: Sequence[str] = _BOTH, baseline: str = NATIVE, *, one_batch: bool = True
    ) -> PatternSweep:
        """The study of all six patterns with the most networks; of equal ones the best, then the most threads.

        Studies without the speedups that are wanted come last. The networks of all batches count, also where
        rules look at the smallest batch alone: a study of several goes before one that is as large at one.

        Args:
            axis: Over what.
            arms: On which each network was measured.
            baseline: That speedups refer to; where it is none of the arms, latencies are enough.
            one_batch: Whether the sweep is cut to its smallest batch, with all values of that.

        Raises:
            MissingEvidence: There is none of at least three values.
        """
        found, holes = self._sweeps(axis, arms, baseline, one_batch=one_batch)
        if not found:
            where = " and ".join(arms)
            raise MissingEvidence(
                f"no study of all six patterns over {axis} on {where}; run hwnas measure {axis}{holes}"
            )
        return max(found, key=lambda s: (s.compared, s.networks, s.size, *quality_rank(s.cells), s.threads))

    def with_misses(self, axis: Axis, arms: Sequence[str] = _BOTH) -> PatternSweep:
        """The study whose misses are known: on the study's own cache, of the largest images.

        Args:
            axis: Over what.
            arms: On which each network's misses were counted.

        Raises:
            MissingEvidence: There is none of at least three values.
        """
        # A network whose misses were counted takes part, also where no round measured it side by side.
        sweeps, holes = self._sweeps(axis, arms, None, one_batch=True)
        found = [s for s in sweeps if miss_kinds(s)]
        if not found:
            where = " and ".join(arms)
            raise MissingEvidence(
                f"no study of all six patterns over {axis} with cache misses on {where}; "
                f"run hwnas measure cache_{axis}{holes}"
            )

        def rank(sweep: PatternSweep) -> tuple[Any, ...]:
            # Where every activation fits into the cache, nothing is missed on either side.
            on_papers = any(geometry == PAPER_CACHE for _, geometry in miss_kinds(sweep))
            return on_papers, sweep.pixels, sweep.size, *quality_rank(sweep.cells), sweep.threads

        return max(found, key=rank)

    def _sweeps(
        self, axis: Axis, arms: Sequence[str], baseline: str | None, *, one_batch: bool
    ) -> tuple[list[PatternSweep], str]:
        """Studies of at least three values; and what the others lack, as the end of a message."""
        cells = self.selection(baseline or NATIVE).cells
        sweeps = [PatternSweep(s, arms, baseline, one_batch=one_batch) for s in find_sweeps(cells, axis)]
        holes = [hole for s in sweeps for hole in s.left_out[:1]]
        return [s for s in sweeps if len(s.values) >= FEWEST], f"; missing: {holes[0]}" if holes else ""

    def networks(self, names: Sequence[str], baselines: Sequence[str] = (NATIVE,)) -> NetworkCells:
        """Networks of the zoo on the accelerated arm, with speedups over each baseline.

        Args:
            names: As ``zoo:NAME`` takes them.
            baselines: Full ids.

        Raises:
            MissingEvidence: Some have none.
        """
        return find_networks({b: self.selection(b).cells for b in baselines}, names)
