"""Times of kernels as a table, with what they leave unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.core.units import format_seconds
from hwnas.report.context import plural
from hwnas.report.kernel_times import KernelTimes


@dataclass(frozen=True)
class KernelRow:
    """One network on one arm.

    Args:
        network: Its name.
        backend: Full id.
        beside: Raw median of the whole network's latency in the pass that profiled it.
        kernels: Sum over its kernels.
        residual: Part of that median that no kernel explains: ``+3.1%``.
        largest: The kinds with most time and their shares.
    """

    network: str
    backend: str
    beside: str
    kernels: str
    residual: str
    largest: str


def kernel_rows(found: Sequence[KernelTimes]) -> list[KernelRow]:
    """Those that have times."""
    return [
        KernelRow(
            k.network,
            k.cell.backend,
            format_seconds(k.beside_s),
            format_seconds(k.sum_s),
            f"{k.residual:+.1%}",
            ", ".join(f"{kind} {time_s / k.sum_s:.0%}" for kind, time_s in _by_time(k)[:3]),
        )
        for k in found
        if k.sum_s and k.beside_s and k.residual is not None
    ]


def _by_time(times: KernelTimes) -> list[tuple[str, float]]:
    return sorted(times.times_s.items(), key=lambda item: -item[1])


def untimed(found: Sequence[KernelTimes]) -> list[str]:
    """Why arms have no times, one sentence an arm and reason."""
    groups: dict[tuple[str, str], int] = {}
    for k in found:
        if not k.times_s:
            place = k.cell.backend, k.cell.no_kernel_times
            groups[place] = groups.get(place, 0) + 1
    return [f"{backend}, {plural(n, 'network')}: {reason}" for (backend, reason), n in groups.items()]
