"""From the times of a network's kernels to its latency with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from hwnas.core.errors import UsageError
from hwnas.predicting.kernel_model import KernelTimes

#: Of the intervals that are reported.
CONFIDENCE = 0.9
#: Prior of the calibration: as if so many networks had been predicted perfectly.
_PRIOR_NETWORKS = 5.0
#: Errors of logarithms beyond this count by their size, and no longer by its square.
_USUAL_ERROR = 0.08


@dataclass(frozen=True)
class Sum:
    """What the kernels of one network come to.

    Args:
        time_s: Sum of their times [s].
        looked_up_s: That of kernels which were measured themselves [s].
        learned: Kernels that take time and were not measured.
        spread: Standard deviation of the logarithm of the sum, were errors of kernels of one category the same
            and of different categories independent.
        far: Share of the time in kernels that are out of range.
    """

    time_s: float
    looked_up_s: float
    learned: int
    spread: float
    far: float


def add_up(times: KernelTimes, categories: Sequence[str]) -> Sum:
    """Sum kernels.

    Args:
        times: Of ``n`` kernels.
        categories: Of the same.
    """
    total = float(times.times_s.sum())
    if total <= 0:
        return Sum(0.0, 0.0, 0, 1.0, 1.0)
    shared: dict[str, float] = {}
    for category, time_s, spread in zip(categories, times.times_s, times.spreads, strict=True):
        shared[category] = shared.get(category, 0.0) + float(time_s * spread)
    spread = float(np.sqrt(sum(v**2 for v in shared.values()))) / total
    far = float(times.times_s[~times.in_range].sum()) / total
    looked_up = np.array([source == "measured" for source in times.sources], dtype=bool)
    learned = int(((times.times_s > 0) & ~looked_up).sum())
    return Sum(total, float(times.times_s[looked_up].sum()), learned, spread, far)


@dataclass(frozen=True)
class NetworkModel:
    """Calibration on whole networks.

    Args:
        factor: Latency per sum of kernels' times that were learned.
        per_kernel_s: What each learned kernel adds [s].
        floor: Smallest standard deviation of a latency's logarithm.
        quantile: Half width of an interval in standard deviations, from networks that were left out.
    """

    factor: float
    per_kernel_s: float
    floor: float
    quantile: float

    def latency_s(self, total: Sum) -> float:
        """Latency [s]."""
        learned_s = self.factor * (total.time_s - total.looked_up_s) + self.per_kernel_s * total.learned
        return total.looked_up_s + learned_s

    def kernel_times_s(self, times: KernelTimes) -> np.ndarray:
        """Each kernel's part of the latency, shape ``(n,)`` [s]; what was measured is as it was measured."""
        measured = np.array([source == "measured" for source in times.sources], dtype=bool)
        learned_s = self.factor * times.times_s + self.per_kernel_s * (times.times_s > 0)
        return np.where(measured, times.times_s, learned_s)

    def interval_s(self, total: Sum) -> tuple[float, float]:
        """Its interval of the confidence :data:`CONFIDENCE` [s]."""
        latency = self.latency_s(total)
        width = self.quantile * self.deviation(total)
        return latency * float(np.exp(-width)), latency * float(np.exp(width))

    def deviation(self, total: Sum) -> float:
        """Standard deviation of the logarithm of a latency."""
        return float(np.hypot(self.floor, total.spread))


def fit_network_model(sums: Sequence[Sum], latencies_s: Sequence[float]) -> NetworkModel:
    """Calibrate on predictions of networks that their kernels' model has not seen.

    The quantile is conformal: of the scores of ``n`` networks the one of rank ``(n + 1) * confidence``. Of
    fewer than nine it is the largest, which a further network keeps below in ``n`` of ``n + 1`` cases only.
    Source: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-free predictive inference for
    regression, Journal of the American Statistical Association 113, 2018, sections 2.2 and 5.2.

    Args:
        sums: Of ``n`` networks.
        latencies_s: What was measured [s].

    Raises:
        UsageError: No network's kernels take time.
    """
    known = [(s, latency) for s, latency in zip(sums, latencies_s, strict=True) if s.time_s > 0]
    if not known:
        raise UsageError("none of these networks has kernels that take time", "Measure others")
    sums = [s for s, _ in known]
    latency = np.array([value for _, value in known])
    parts = np.array([[s.time_s - s.looked_up_s, s.learned, s.looked_up_s] for s in sums])
    factor, per_kernel_s = _calibration(parts / latency[:, None])
    raw = NetworkModel(factor, per_kernel_s, floor=0.0, quantile=1.0)
    errors = np.abs(np.log(latency / np.array([raw.latency_s(s) for s in sums])))
    spreads = np.array([s.spread for s in sums])
    # What the kernels' own spreads leave unexplained, in the middle.
    floor = float(np.sqrt(max(1e-4, np.median(errors) ** 2 / 0.4549 - np.median(spreads) ** 2)))
    scores = np.sort(errors / np.hypot(floor, spreads))
    rank = int(np.ceil((len(scores) + 1) * CONFIDENCE))
    quantile = float(scores[min(rank, len(scores)) - 1])
    return NetworkModel(factor, per_kernel_s, floor, max(quantile, 0.5))


def _calibration(parts: np.ndarray) -> tuple[float, float]:
    """Factor and seconds a kernel that bring logarithms of sums to those of latencies, few far ones aside.

    Both are of kernels that were learned: what was measured is as it was measured.

    Args:
        parts: Sums of learned times, numbers of learned kernels [1/s], and sums of measured times, each over
            the latency; shape ``(n, 3)``.
    """
    learned, counts, looked_up = parts.T
    scale = float(np.mean(counts)) or 1.0
    prior = np.sqrt(_PRIOR_NETWORKS)

    def errors(given: np.ndarray) -> np.ndarray:
        factor, each = given
        logs = np.log(np.maximum(factor * learned + each * counts / scale + looked_up, 1e-9))
        return np.concatenate([logs, [prior * np.log(factor), prior * each]])

    found = least_squares(
        errors, [1.0, 0.01], bounds=([0.1, 0.0], [10.0, 10.0]), loss="soft_l1", f_scale=_USUAL_ERROR
    )
    return float(found.x[0]), float(found.x[1] / scale)
