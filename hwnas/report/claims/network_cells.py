"""Whole networks at one number of threads: which one counts where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwnas.report.cells import Cell
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.quality import quality, quality_rank
from hwnas.report.claims.studied import ACCELERATED
from hwnas.report.claims.values import Value, latency, speedup
from hwnas.report.context import plural
from hwnas.workloads.catalogue import find_network


@dataclass(frozen=True)
class NetworkCells:
    """Networks of the zoo at batch 1 and one number of threads.

    Args:
        threads: Threads of every arm.
        accelerated: Baseline -> network -> its cell on the accelerated arm, compared with that baseline.
        quality: How good these measurements are and those of the baselines.
        others: Threads at which the same was measured and does not count -> how good that is.
    """

    threads: int
    accelerated: Mapping[str, Mapping[str, Cell]]
    quality: str
    others: Mapping[int, str]

    def note(self, *further: str) -> str:
        """The conditions, for people, and what was measured besides."""
        parts = [", ".join(["batch 1", plural(self.threads, "thread"), *further]), self.quality]
        if self.others:
            found = (f"{plural(n, 'thread')} ({text})" for n, text in sorted(self.others.items()))
            parts.append(f"also measured at {', '.join(found)}")
        return "; ".join(parts)

    def latencies(self) -> dict[str, Value]:
        """Network -> latency [s]."""
        return {name: latency(c) for name, c in next(iter(self.accelerated.values())).items()}

    def speedups(self, baseline: str) -> dict[str, Value]:
        """Network -> speedup over one of the baselines."""
        return {name: speedup(c) for name, c in self.accelerated[baseline].items()}


def find_networks(cells: Mapping[str, Sequence[Cell]], names: Sequence[str]) -> NetworkCells:
    """The networks at the threads where they were measured best.

    Of the numbers of threads at which every network has a speedup over every baseline, that with the fewest
    noisy or preempted cells counts, then that whose cells have the most passes, then the most threads: nothing
    that the values have a say in.

    Args:
        cells: Baseline -> all cells, compared with it.
        names: Of the networks, as ``zoo:NAME`` takes them.

    Raises:
        MissingEvidence: There is no such number of threads.
    """
    keys = {find_network(name).workload().key: name for name in names}
    own = {b: [c for c in found if c.workload.key in keys and c.estimate] for b, found in cells.items()}
    pairs: dict[int, dict[tuple[str, str], Cell]] = {}
    for baseline, found in own.items():
        for cell in found:
            if cell.backend == ACCELERATED and cell.comparison:
                pairs.setdefault(cell.threads, {})[baseline, keys[cell.workload.key]] = cell
    wanted = [(baseline, name) for baseline in cells for name in names]
    complete = [threads for threads, found in pairs.items() if len(found) == len(wanted)]
    if not complete:
        most = max(pairs.values(), key=len, default={})
        lacking = [f"{name} over {baseline}" for baseline, name in wanted if (baseline, name) not in most]
        raise MissingEvidence(f"no speedup of {', '.join(lacking)}; run hwnas measure networks")
    # The same cells stand in the list of every baseline.
    involved = {
        threads: [
            c for c in next(iter(own.values())) if c.threads == threads and c.backend in (ACCELERATED, *cells)
        ]
        for threads in complete
    }
    best = max(complete, key=lambda threads: (*quality_rank(involved[threads]), threads))
    return NetworkCells(
        best,
        {baseline: {name: pairs[best][baseline, name] for name in names} for baseline in cells},
        quality(involved[best]),
        {threads: quality(involved[threads]) for threads in complete if threads != best},
    )
