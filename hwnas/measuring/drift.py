"""Taking the host's changing speed out of a latency, with the canary as witness.

Model, for the blocks b of one measurement:

    log(latency_b) = m + slope * (index_b - index_ref) + noise_b

`index` is the mean of the logarithms of the canary kernels' durations, averaged over the readings
just before and just after the block. `m` is the logarithm of the drift-corrected latency: the
latency while the canary runs at its reference speed. Networks feel the host unlike each other, so
each measurement fits its own slope, shrunk towards what is usual when its blocks say little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwnas.core.measurement import Block

#: Usual slope and its standard deviation over networks and runtimes (see docs/protocol.md).
PRIOR_SLOPE = 0.6
PRIOR_SLOPE_SD = 0.3

#: Residuals beyond this many standard deviations count with this size, no more (Huber's rule).
_HUBER = 2.5
_ITERATIONS = 10


@dataclass(frozen=True)
class BlockSeries:
    """The blocks of one measurement as arrays of shape ``(blocks,)``.

    Args:
        log_latency: Logarithm of the median duration of one inference [log s].
        index: Canary index [log s].
        round: Round of interleaving.
    """

    log_latency: np.ndarray
    index: np.ndarray
    round: np.ndarray

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> BlockSeries:
        """Collect the arrays; blocks without a canary get a constant index, so no correction."""
        return cls(
            np.array([math.log(b.median_s) for b in blocks]),
            np.array([canary_index(b) for b in blocks]),
            np.array([b.round for b in blocks], dtype=int),
        )


def canary_index(block: Block) -> float:
    """Mean log duration of the canary kernels around the block; 0 without a canary."""
    readings = [block.canary_before_s, block.canary_after_s]
    logs = [math.log(v) for reading in readings for v in reading.values()]
    return sum(logs) / len(logs) if logs else 0.0


def reference_index(reference: Mapping[str, float]) -> float:
    """The index of canary durations [s] by kernel name."""
    return sum(math.log(v) for v in reference.values()) / len(reference)


@dataclass(frozen=True)
class DriftFit:
    """The fitted model.

    Args:
        slope: Relative slow-down of the network for a relative slow-down of the canary.
        residual: log latency minus the model, shape ``(blocks,)``.
        slope_error: Standard error of the slope.
        scale: Robust standard deviation of the residuals.
        tamed: log latency with residuals cut at Huber's bound, shape ``(blocks,)``: means of it
            are robust.
    """

    slope: float
    slope_error: float
    residual: np.ndarray
    scale: float
    tamed: np.ndarray


def fit_drift(series: BlockSeries) -> DriftFit:
    """Fit level and slope by iterated least squares with Huber's weights and a normal prior on the slope."""
    y, x = series.log_latency, series.index
    slope, level = PRIOR_SLOPE, float(np.median(y - PRIOR_SLOPE * x))
    scale = _scale(y - slope * x - level)
    for _ in range(_ITERATIONS):
        residual = y - slope * x - level
        scale = _scale(residual)
        weight = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(residual), 1e-12))
        xm, ym = np.average(x, weights=weight), np.average(y, weights=weight)
        precision = (scale / PRIOR_SLOPE_SD) ** 2
        sxx = float((weight * (x - xm) ** 2).sum()) + precision
        sxy = float((weight * (x - xm) * (y - ym)).sum()) + precision * PRIOR_SLOPE
        slope, level = sxy / sxx, float(ym - sxy / sxx * xm)
    residual = y - slope * x - level
    bound = _HUBER * scale
    tamed = slope * x + level + np.clip(residual, -bound, bound)
    return DriftFit(slope, scale / math.sqrt(sxx), residual, scale, tamed)


def _scale(residual: np.ndarray) -> float:
    """Standard deviation from the median absolute deviation, kept above the clock's resolution."""
    return max(1.4826 * float(np.median(np.abs(residual - np.median(residual)))), 1e-6)
