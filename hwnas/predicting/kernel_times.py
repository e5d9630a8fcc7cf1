"""Times of kernels as they add up to their network's latency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from hwnas.predicting.training_set import MeasuredNetwork

#: A kernel that the runtime's profiler did not see: OpenVINO tells no time below one microsecond.
UNSEEN_S = 0.0


def attributed_times(networks: Sequence[MeasuredNetwork]) -> tuple[list[np.ndarray], float]:
    """Times of each network's kernels that sum to its latency [s], and what the profiler adds to a kernel [s].

    Times in place were taken once, at whatever speed the host had then, and with a profiler that writes
    something down for each kernel. What the profiler adds to a kernel is the same for all of them and is found
    by non-negative least squares over the networks, ``latency = a * sum - b * kernels``, in relative errors;
    the rest is scaled, network by network, to the latency that was corrected for drift.

    Args:
        networks: ``n`` of them.

    Returns:
        ``n`` arrays, each of one network's kernels, and ``b / a``.
    """
    sums = np.array([sum(t for t in n.times_s if t is not None) for n in networks])
    counts = np.array([sum(t is not None for t in n.times_s) for n in networks], dtype=float)
    latencies = np.array([n.latency_s for n in networks])
    overhead = _overhead(sums, counts, latencies)
    found = []
    for network in networks:
        times = np.array([UNSEEN_S if t is None else t for t in network.times_s])
        # No kernel costs less than nothing, and a tenth of what was seen is certainly its own.
        own = np.where(times > 0, np.maximum(times - overhead, 0.1 * times), 0.0)
        total = own.sum()
        found.append(own * (network.latency_s / total) if total > 0 else own)
    return found, overhead


def _overhead(sums: np.ndarray, counts: np.ndarray, latencies: np.ndarray) -> float:
    """What the profiler adds to one kernel [s]."""
    if len(sums) < 3:
        return 0.0
    columns = np.column_stack([sums, -counts]) / latencies[:, None]
    scale = np.abs(columns).max(axis=0)
    factor, each = nnls(columns / scale, np.ones(len(sums)))[0] / scale
    # No kernel was seen for less than what the profiler adds.
    shortest = float(np.min(sums / np.maximum(counts, 1.0)))
    return float(min(each / factor, 0.9 * shortest)) if factor > 0 else 0.0
