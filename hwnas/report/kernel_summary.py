"""What a report needs of a network's kernels: the many rows of a measurement as a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hwnas.cache_misses.fused_operators import fused_shares
from hwnas.cache_misses.operators import operator_kind
from hwnas.core.kernel import Kernel


@dataclass(frozen=True)
class KernelSummary:
    """The kernels of one network on one arm.

    Args:
        count: How many kernels ran.
        fused_shares: Kind of operator -> share of the operators that run inside another's kernel, where some
            do; None where no kernels are known.
        times_s: Kind of operator -> time in its kernels in one inference [s]; empty where the network
            was not profiled.
        beside_s: Raw median of the network's latency in the pass that profiled it, seconds before [s].
    """

    count: int = 0
    fused_shares: Mapping[str, float] | None = None
    times_s: Mapping[str, float] = field(default_factory=dict)
    beside_s: float | None = None


def summarise_kernels(kernels: Sequence[Kernel], median_s: float | None = None) -> KernelSummary:
    """The kernels of one measurement, kind by kind; those that were not timed add no time.

    Args:
        kernels: As they ran.
        median_s: Raw median of that measurement's samples [s], or None without any.
    """
    times: dict[str, float] = defaultdict(float)
    for kernel in kernels:
        if kernel.time_s is not None:
            times[operator_kind(kernel.type)] += kernel.time_s
    return KernelSummary(len(kernels), fused_shares(kernels), dict(times), median_s)


def summarise_passes(found: Sequence[KernelSummary], failures: Sequence[str]) -> tuple[KernelSummary, str]:
    """What all passes of a network on one arm tell: the first that tells a thing counts.

    Args:
        found: Of every pass that has kernels.
        failures: Of every pass why its kernels could not be read, or an empty text.

    Returns:
        One summary, and why it has no times, or an empty text.
    """
    timed = next((k for k in found if k.times_s), KernelSummary())
    whole = replace(timed, fused_shares=next((k.fused_shares for k in found if k.count), None))
    if whole.times_s:
        return whole, ""
    if found:
        return whole, "its kernels are stored without times: the network was not profiled"
    failed = next((" ".join(reason.split()) for reason in failures if reason), "")
    return whole, f"its kernels could not be read: {failed}" if failed else "its kernels are not stored"
