"""Where the time of a network goes: its kernels by kind, and how well their sum explains the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwnas.cache_misses.operators import OPERATOR_KINDS
from hwnas.report.cells import Cell
from hwnas.report.context import threads
from hwnas.report.network_rows import short_names
from hwnas.report.order import network_names, sized_name


@dataclass(frozen=True)
class KernelTimes:
    """One network on one arm.

    Args:
        network: Its name for people, with what tells it from others.
        cell: Where the numbers come from; it has a latency.
    """

    network: str
    cell: Cell

    @property
    def times_s(self) -> Mapping[str, float]:
        """Kind of operator -> time in its kernels in one inference [s], in the usual order."""
        found = self.cell.kernel_times_s
        return {kind: found[kind] for kind in OPERATOR_KINDS if kind in found}

    @property
    def sum_s(self) -> float | None:
        """Time in all kernels [s], or None where they have no times."""
        return sum(self.times_s.values()) if self.times_s else None

    @property
    def latency_s(self) -> float | None:
        """The whole network's latency [s]."""
        return self.cell.estimate.latency_s if self.cell.estimate else None

    @property
    def beside_s(self) -> float | None:
        """Raw median of the latency in the same pass, taken seconds before the profile [s]: like the kernels'
        times, and unlike :attr:`latency_s`, not brought to the host's reference speed."""
        return self.cell.beside_kernels_s

    @property
    def residual(self) -> float | None:
        """Part of the latency that no kernel explains: 1 - sum / raw median of the same pass. Below 0 where
        profiling itself slowed the kernels down, or where the host was slower while it was profiled; None where
        kernels have no times."""
        if self.sum_s is None or not self.beside_s:
            return None
        return 1.0 - self.sum_s / self.beside_s

    def records(self) -> Iterator[dict[str, Any]]:
        """One flat record a kind of operator, or one with the reason where there are no times."""
        place = {
            "network": self.network,
            "workload": self.cell.workload.key,
            "backend": self.cell.backend,
            "threads": self.cell.threads,
            "latency_s": self.latency_s,
            "raw_median_s": self.beside_s,
            "kernels_s": self.sum_s,
            "residual": self.residual,
        }
        total = self.sum_s
        if not total:
            reason = self.cell.no_kernel_times
            yield {**place, "kind": None, "time_s": None, "share": None, "reason": reason}
            return
        for kind, time_s in self.times_s.items():
            yield {**place, "kind": kind, "time_s": time_s, "share": time_s / total, "reason": ""}


def kernel_times(cells: Sequence[Cell]) -> list[KernelTimes]:
    """Every whole network, and of each pattern the network with the most MACs, on each arm with a latency."""
    measured = [c for c in cells if c.estimate]
    whole = [c for c in measured if c.workload.kind != "pattern"]
    names = short_names(whole)
    patterns = [c for c in measured if c.workload.kind == "pattern"]
    families = network_names(c.workload for c in patterns)
    largest: dict[tuple[str, int], Cell] = {}
    for cell in patterns:
        place = families[cell.workload.key], cell.threads
        if place not in largest or (cell.macs or 0) > (largest[place].macs or 0):
            largest[place] = cell
    chosen = {(c.workload.key, c.threads) for c in largest.values()}
    named = [
        (sized_name(families[c.workload.key], c.workload), c)
        for c in patterns
        if (c.workload.key, c.threads) in chosen
    ] + [(names[c.workload.key], c) for c in whole]
    several = len({c.threads for _, c in named}) > 1
    return [KernelTimes(f"{name}, {threads([c])}" if several else name, c) for name, c in named]
