"""What a report needs of a network's kernels: the many rows of a measurement as a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwnas.cache_misses.fused_operators import fused_shares
from hwnas.cache_misses.operators import operator_kind
from hwnas.core.kernel import Kernel


@dataclass(frozen=True)
class KernelSummary:
    """The kernels of one network on one arm.

    Args:
        count: How many kernels ran.
        fused_shares: Kind of operator -> share of the operators that run inside another's kernel.
        times_s: Kind of operator -> time in its kernels in one inference [s]; empty where the network
            was not profiled.
    """

    count: int = 0
    fused_shares: Mapping[str, float] = field(default_factory=dict)
    times_s: Mapping[str, float] = field(default_factory=dict)


def summarise_kernels(kernels: Sequence[Kernel]) -> KernelSummary:
    """The kernels of one measurement, kind by kind; those that were not timed add no time."""
    times: dict[str, float] = defaultdict(float)
    for kernel in kernels:
        if kernel.time_s is not None:
            times[operator_kind(kernel.type)] += kernel.time_s
    return KernelSummary(len(kernels), fused_shares(kernels), dict(times))
