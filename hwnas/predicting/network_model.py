"""From the times of a network's kernels to its latency with an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from hwnas.core.errors import UsageError
from hwnas.predicting.forest import Forest
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelTimes
from hwnas.predicting.network_shape import network_shape

#: Of the intervals that are reported.
CONFIDENCE = 0.9
#: Prior of the calibration: as if so many networks had been predicted perfectly.
_PRIOR_NETWORKS = 5.0
#: Errors of logarithms beyond this count by their size, and no longer by its square.
_USUAL_ERROR = 0.08
#: Fewer networks tell nothing of what networks of one shape have in common.
_FEWEST_FOR_REST = 40
#: Logarithms beyond this are no matter of a network's shape.
_MOST_REST = 0.25
#: Of the forest that learns it; where groups are not given, networks are left out in so many.
_REST_TREES, _REST_LEAF, _REST_GROUPS = 50, 5, 5


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
        shape: What the network is like (:func:`hwnas.predicting.network_shape.network_shape`), where known.
    """

    time_s: float
    looked_up_s: float
    learned: int
    spread: float
    far: float
    shape: tuple[float, ...] = ()


def add_up(times: KernelTimes, kernels: Sequence[KernelFacts]) -> Sum:
    """Sum kernels.

    Args:
        times: Of ``n`` kernels.
        kernels: The same.
    """
    total = float(times.times_s.sum())
    if total <= 0:
        return Sum(0.0, 0.0, 0, 1.0, 1.0)
    shared: dict[str, float] = {}
    for kernel, time_s, spread in zip(kernels, times.times_s, times.spreads, strict=True):
        shared[kernel.category] = shared.get(kernel.category, 0.0) + float(time_s * spread)
    spread = float(np.sqrt(sum(v**2 for v in shared.values()))) / total
    far = float(times.times_s[~times.in_range].sum()) / total
    looked_up = np.array([source == "measured" for source in times.sources], dtype=bool)
    learned = int(((times.times_s > 0) & ~looked_up).sum())
    shape = network_shape(kernels, times.times_s)
    return Sum(total, float(times.times_s[looked_up].sum()), learned, spread, far, shape)


@dataclass(frozen=True)
class NetworkModel:
    """Calibration on whole networks.

    Args:
        factor: Latency per sum of kernels' times that were learned.
        per_kernel_s: What each learned kernel adds [s].
        floor: Smallest standard deviation of a latency's logarithm.
        quantile: Half width of an interval in standard deviations, from networks that were left out.
        rest: Of the logarithm of what is left between latencies and calibrated sums, by networks' shapes; None
            where it was not learned.
    """

    factor: float
    per_kernel_s: float
    floor: float
    quantile: float
    rest: Forest | None = None

    def latency_s(self, total: Sum) -> float:
        """Latency [s]."""
        learned_s = self.factor * (total.time_s - total.looked_up_s) + self.per_kernel_s * total.learned
        return (total.looked_up_s + learned_s) * self.whole(total)

    def whole(self, total: Sum) -> float:
        """Latency over what its kernels come to by themselves."""
        if self.rest is None or not total.shape:
            return 1.0
        return float(np.exp(self.rest.predict(np.array([total.shape]))[0][0]))

    def kernel_times_s(self, times: KernelTimes) -> np.ndarray:
        """What each kernel comes to by itself, shape ``(n,)`` [s]; what was measured is as it was measured.

        In a network it takes :meth:`whole` times that.
        """
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


def fit_network_model(
    sums: Sequence[Sum],
    latencies_s: Sequence[float],
    groups: Sequence[int] | None = None,
    families: Sequence[str] | None = None,
) -> NetworkModel:
    """Calibrate on predictions of networks that their kernels' model has not seen.

    What networks of one shape have in common is learned from their errors, where that brings those of other
    groups closer to what was measured.

    The quantile is conformal: of the scores of ``n`` networks the one of rank ``(n + 1) * confidence``, votes
    of `families` counting in place of networks. Of fewer than nine it is the largest, which a further network
    keeps below in ``n`` of ``n + 1`` cases only.
    Source: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-free predictive inference for
    regression, Journal of the American Statistical Association 113, 2018, sections 2.2 and 5.2.

    Args:
        sums: Of ``n`` networks.
        latencies_s: What was measured [s].
        groups: Of each: networks that know each other are of one group, and left out together; None where none
            do.
        families: Of each: for the quantile every family has one vote, shared by its networks, since a network
            that is asked for is of another family, and a large one says no more of that than a small one. None
            where each network is one by itself. Source of pooling by group: Dunn, Wasserman and Ramdas,
            Distribution-free prediction sets for two-layer hierarchical models, Journal of the American
            Statistical Association 118, 2023.

    Raises:
        UsageError: No network's kernels take time.
    """
    known = [place for place, s in enumerate(sums) if s.time_s > 0]
    if not known:
        raise UsageError("none of these networks has kernels that take time", "Measure others")
    sums, latency = [sums[p] for p in known], np.array([latencies_s[p] for p in known])
    groups = [p % _REST_GROUPS if groups is None else groups[p] for p in known]
    parts = np.array([[s.time_s - s.looked_up_s, s.learned, s.looked_up_s] for s in sums])
    factor, per_kernel_s = _calibration(parts / latency[:, None])
    raw = NetworkModel(factor, per_kernel_s, floor=0.0, quantile=1.0)
    signed = np.log(latency / np.array([raw.latency_s(s) for s in sums]))
    rest, left = _rest(sums, signed, np.array(groups))
    errors = np.abs(left)
    spreads = np.array([s.spread for s in sums])
    # What the kernels' own spreads leave unexplained, in the middle.
    floor = float(np.sqrt(max(1e-4, np.median(errors) ** 2 / 0.4549 - np.median(spreads) ** 2)))
    votes = np.ones(len(sums)) if families is None else _shared_votes([families[p] for p in known])
    quantile = _quantile(errors / np.hypot(floor, spreads), votes)
    return NetworkModel(factor, per_kernel_s, floor, max(quantile, 0.5), rest)


def _shared_votes(families: Sequence[str]) -> np.ndarray:
    """One vote a family, shared by its networks, or one a network where all are of one; shape ``(n,)``."""
    members = Counter(families)
    if len(members) == 1:
        return np.ones(len(families))
    return np.array([1.0 / members[family] for family in families])


def _quantile(scores: np.ndarray, votes: np.ndarray) -> float:
    """The least score that as many votes are within as an interval of the confidence takes, else the largest.

    Args:
        scores: ``(n,)``.
        votes: Of each, shape ``(n,)``.
    """
    order = np.argsort(scores)
    within = np.cumsum(votes[order])
    place = int(np.searchsorted(within, (votes.sum() + 1.0) * CONFIDENCE - 1e-9))
    return float(scores[order[min(place, len(order) - 1)]])


def _rest(sums: Sequence[Sum], errors: np.ndarray, groups: np.ndarray) -> tuple[Forest | None, np.ndarray]:
    """A forest of what networks of one shape are off by, and what it leaves of each that it has not seen.

    Args:
        sums: Of ``n`` networks.
        errors: Logarithms of what they are off by, shape ``(n,)``.
        groups: Of each, shape ``(n,)``.
    """
    different = np.unique(groups)
    if len(sums) < _FEWEST_FOR_REST or len(different) < 2 or not all(s.shape for s in sums):
        return None, errors
    x, y = np.array([s.shape for s in sums]), np.clip(errors, -_MOST_REST, _MOST_REST)

    def forest(kept: np.ndarray) -> Forest:
        return Forest.fit(x[kept], y[kept], trees=_REST_TREES, leaf=_REST_LEAF)

    left = np.empty(len(errors))
    for group in different:
        out = groups == group
        left[out] = errors[out] - forest(~out).predict(x[out])[0]
    if np.mean(np.minimum(np.abs(left), _MOST_REST) ** 2) >= np.mean(y**2):
        return None, errors
    return forest(np.ones(len(errors), dtype=bool)), left


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
