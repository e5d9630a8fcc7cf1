"""Times of kernels as they add up to their network's latency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from hwnas.predicting.training_set import MeasuredNetwork

#: A kernel that the runtime's profiler did not see, of a category that it sees elsewhere: OpenVINO tells whole
#: microseconds.
UNSEEN_S = 0.3e-6
#: Relative errors of sums beyond this count by Cauchy's rule: kernels are timed seldom, and some networks'
#: while the host was slow.
_USUAL_ERROR = 0.08
_ROUNDS = 20


def attributed_times(networks: Sequence[MeasuredNetwork]) -> tuple[list[np.ndarray], float]:
    """Times of each network's kernels that sum to its latency [s], and what the profiler adds to a kernel [s].

    Times in place were taken once a campaign, at whatever speed the host had then, and with a profiler that
    writes something down for each kernel. What the profiler adds to a kernel is the same for all of them and is
    found by non-negative least squares over the networks, ``latency = a * sum - b * kernels``, in relative
    errors, few far ones aside; the rest is scaled, network by network, to the latency that was corrected for
    drift. A kernel that was too short to be seen, of a category that is seen in some network, takes
    :data:`UNSEEN_S` before it is scaled.

    Args:
        networks: ``n`` of them.

    Returns:
        ``n`` arrays, each of one network's kernels, and ``b / a``.
    """
    sums = np.array([sum(t for t in n.times_s if t is not None) for n in networks])
    counts = np.array([sum(t is not None for t in n.times_s) for n in networks], dtype=float)
    latencies = np.array([n.latency_s for n in networks])
    overhead = _overhead(sums, counts, latencies)
    visible = {k.category for n in networks for k, t in zip(n.kernels, n.times_s, strict=True) if t}
    found = []
    for network in networks:
        # No kernel costs less than nothing, and a tenth of what was seen is certainly its own.
        own = np.array(
            [
                max(t - overhead, 0.1 * t) if t else UNSEEN_S * (k.category in visible and not k.constant)
                for k, t in zip(network.kernels, network.times_s, strict=True)
            ]
        )
        total = own.sum()
        found.append(own * (network.latency_s / total) if total > 0 else own)
    return found, overhead


def _overhead(sums: np.ndarray, counts: np.ndarray, latencies: np.ndarray) -> float:
    """What the profiler adds to one kernel [s]."""
    if len(sums) < 3:
        return 0.0
    columns = np.column_stack([sums, -counts]) / latencies[:, None]
    scale = np.abs(columns).max(axis=0)
    weights = np.ones(len(sums))
    for _ in range(_ROUNDS):
        factor, each = nnls(columns / scale * weights[:, None], weights)[0] / scale
        errors = columns @ [factor, each] - 1.0
        weights = 1.0 / np.sqrt(1.0 + (errors / _USUAL_ERROR) ** 2)
    # In no network is the mean kernel seen for less than what the profiler adds.
    shortest = float(np.min(sums / np.maximum(counts, 1.0)))
    return float(min(each / factor, 0.9 * shortest)) if factor > 0 else 0.0
