"""Taking the host's changing speed out of a latency, with the canary as witness.

Model, for the blocks b of the passes of one cell:

    log(latency_b) = m_pass + slope * (index_b - index_pass) + level_slope * (index_pass - index_ref) + noise_b

`index_b` is the logarithm of the canary's duration, averaged over the readings just before and just after the
block, and `index_pass` its mean over the pass. Short blocks have one slope. Of a long one, two readings at its
ends see but a part (:func:`seen_share`), while the readings of a pass together see how fast the host was in it:
what is not seen from block to block counts between passes, with the slope of what lasts. `m` is the logarithm
of the drift-corrected latency: the latency while the canary runs at its reference speed. Networks feel the host
unlike each other, so each cell has its own slope, shrunk towards what is usual when its blocks say little.

A reading is a glimpse of a tenth of a millisecond, so `index_b` is a noisy witness of the speed during the
block, and least squares would find too small a slope (attenuation). Readings some blocks away saw much of
the same host with noise of their own, which makes them an instrument: slope = sum(z y) / sum(z x).
Source: Wald, Annals of Mathematical Statistics 11, 1940; Fuller, Measurement Error Models, 1987, sec. 1.4.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwnas.core.measurement import Block

#: The canary kernel whose duration is the index: the one that follows networks best (see docs/protocol.md).
INDEX_KERNEL = "matrix"

#: Usual slopes of runtimes, of any other, and what networks differ from them (standard deviation): chosen on
#: the passes of 84 cells of the quick and width studies. Eager PyTorch moves several times as much memory as
#: OpenVINO and feels the neighbours more.
USUAL_SLOPES = {"torch": 1.1, "openvino": 0.6}
USUAL_SLOPE = 0.8
SLOPE_SD = 0.3

#: Slope of what lasts longer than a block, on the processor, and what networks differ from it: chosen on the
#: passes of 156 cells that `hwnas fit` had measured several times, on another host than the above.
LASTING_SLOPE, LASTING_SLOPE_SD = 0.85, 0.15

#: How fast the host's speed forgets [s]: slopes of blocks of 10 ms to 1 s fell this way in the depth study.
_FADING_S = 0.025

#: The instrument of a block: readings so many blocks away on either side. Neighbours share a reading.
_LAGS = (2, 4, 8)
#: Errors of blocks up to this far apart are taken for correlated (Newey and West, Econometrica 55, 1987).
_CORRELATED_BLOCKS = 10

#: Residuals beyond this many standard deviations count with this size, no more (Huber's rule).
_HUBER = 2.5
_ITERATIONS = 6

#: A canary that takes more than twice its usual time met an interrupt: that much of it counts, no more.
_MOST_SLOWDOWN = math.log(2)


#: Between passes, hosts were seen to change their speed by a quarter; what reads further off is no speed.
_FURTHEST = math.log(1.5)


@dataclass(frozen=True)
class BlockSeries:
    """The blocks of one measurement as arrays of shape ``(blocks,)``.

    Args:
        log_latency: Logarithm of the median duration of one inference [log s].
        index: Canary index [log s].
        round: Round of interleaving.
        block_s: Median duration of the blocks [s].
    """

    log_latency: np.ndarray
    index: np.ndarray
    round: np.ndarray
    block_s: float

    @classmethod
    def of(cls, blocks: Sequence[Block], calls: int = 1) -> BlockSeries:
        """Collect the arrays; blocks without a canary get a constant index, so no correction.

        Args:
            blocks: Of one measurement.
            calls: Inferences in a sample, whose durations are those of one.
        """
        return cls(
            np.array([math.log(b.median_s) for b in blocks]),
            np.array([canary_index(b) for b in blocks]),
            np.array([b.round for b in blocks], dtype=int),
            statistics.median(calls * sum(b.samples_s) for b in blocks),
        )

    def near(self, centre: float) -> BlockSeries:
        """The same, with readings cut that are too far from `centre` [log s] to tell of the host's speed.

        A network that empties every cache leaves the canary to start from memory, now and then at a quarter
        of its usual speed while the network itself runs as ever.
        """
        return replace(self, index=np.clip(self.index, centre - _FURTHEST, centre + _FURTHEST))


def canary_index(block: Block) -> float:
    """Mean log duration of the canary around the block; 0 without a canary."""
    logs = [_log_duration(r) for r in (block.canary_before_s, block.canary_after_s) if r]
    return sum(logs) / len(logs) if logs else 0.0


def reference_index(reference: Mapping[str, float]) -> float:
    """The index of canary durations [s] by kernel name."""
    return _log_duration(reference)


def _log_duration(durations: Mapping[str, float]) -> float:
    if INDEX_KERNEL in durations:
        return math.log(durations[INDEX_KERNEL])
    return sum(math.log(v) for v in durations.values()) / len(durations)


@dataclass(frozen=True)
class DriftFit:
    """The model, fitted to one pass.

    Args:
        slope: Relative slow-down of the network for a relative slow-down of the canary from block to block; of
            all passes.
        level_slope: The same from pass to pass.
        level_slope_error: Its standard error.
        scale: Robust standard deviation of the residuals of this pass.
        index: Canary index with outliers cut, shape ``(blocks,)`` [log s].
        tamed: log latency with residuals cut at Huber's bound, shape ``(blocks,)``: means of it
            are robust.
    """

    slope: float
    level_slope: float
    level_slope_error: float
    scale: float
    index: np.ndarray
    tamed: np.ndarray


def usual_slope(backend_id: str) -> float:
    """The slope to expect of a backend such as ``torch-mkldnn:cpu:fp32`` before its blocks say anything.

    0 for devices other than the processor: the canary runs on the processor, and nobody has compared them.
    """
    arm, _, device = backend_id.partition(":")
    if device and not device.startswith("cpu"):
        return 0.0
    runtime = arm.partition("-")[0]
    return USUAL_SLOPES.get(runtime, USUAL_SLOPE)


def lasting_slope(backend_id: str) -> float:
    """The slope to expect of what lasts, for a backend; 0 for devices other than the processor."""
    return LASTING_SLOPE if usual_slope(backend_id) else 0.0


def seen_share(block_s: float) -> float:
    """How much of what the host does during a block shows in the readings at its ends, 0 to 1.

    The regression of a speed's mean over a time d on the mean of its two ends, where its correlation fades as
    exp(-t / tau) (an Ornstein-Uhlenbeck process): (2 tau / d) tanh(d / (2 tau)). From one long block to another
    there is hardly any correction: a second may bring anything that two glimpses of it do not show.

    Args:
        block_s: Duration of a block [s].
    """
    halves = block_s / (2 * _FADING_S)
    return math.tanh(halves) / halves if halves > 0 else 1.0


def fit_drift(
    passes: Sequence[BlockSeries], usual: float = USUAL_SLOPE, lasting: float = LASTING_SLOPE
) -> list[DriftFit]:
    """Fit one slope to the passes of a cell, and a level to each.

    Args:
        passes: At least one, each with at least one block.
        usual: The slope to expect, see :func:`usual_slope`.
        lasting: That of what lasts, see :func:`lasting_slope`.
    """
    indices = [_within(p.index, _MOST_SLOWDOWN) for p in passes]
    instruments = [_instrument(x) for x in indices]
    share = seen_share(float(np.median([p.block_s for p in passes])))
    usual, spread = usual * share, SLOPE_SD * share
    slope, error = usual, spread
    for _ in range(_ITERATIONS):
        response = strength = variance = 0.0
        for series, x, z in zip(passes, indices, instruments, strict=True):
            residual = _tame(series.log_latency - slope * x)
            residual -= residual.mean()
            centred = x - x.mean()
            strength += float(z @ centred)
            response += float(z @ (residual + slope * centred))
            variance += _variance_of_sum(z * residual)
        slope, error = _posterior(response, strength, variance, usual, spread)
    level_slope = slope + (1 - share) * lasting
    level_error = math.hypot(error, (1 - share) * LASTING_SLOPE_SD)
    fits = []
    for series, x in zip(passes, indices, strict=True):
        residual = series.log_latency - slope * x
        tamed = slope * x + _tame(residual)
        fits.append(DriftFit(slope, level_slope, level_error, _scale(residual), x, tamed))
    return fits


def _posterior(
    response: float, strength: float, variance: float, usual: float, spread: float
) -> tuple[float, float]:
    """Mean and standard deviation of the slope, from `response = strength * slope + error` and the usual."""
    prior = spread**-2
    if variance <= 0:
        return (response / strength, 0.0) if strength > 0 else (usual, spread)
    precision = strength**2 / variance + prior
    return (strength * response / variance + prior * usual) / precision, precision**-0.5


def _instrument(index: np.ndarray) -> np.ndarray:
    """For each block, the deviation of readings `_LAGS` blocks away; 0 where there are none."""
    centred = index - index.mean()
    found = np.zeros_like(centred)
    for lag in _LAGS:
        found[lag:] += centred[:-lag]
        found[:-lag] += centred[lag:]
    return np.asarray(found / (2 * len(_LAGS)))


def _variance_of_sum(terms: np.ndarray) -> float:
    """Variance of the sum of a correlated series of mean 0, with Bartlett's weights.

    Few terms tell nothing of correlation at long lags, and negative correlation is taken for chance: the
    sum of squares is the least that is believed.
    """
    squares = float(terms @ terms)
    total = squares
    furthest = min(_CORRELATED_BLOCKS, len(terms) // 4)
    for lag in range(1, furthest + 1):
        total += 2 * (1 - lag / (furthest + 1)) * float(terms[lag:] @ terms[:-lag])
    return max(total, squares)


def _tame(residual: np.ndarray) -> np.ndarray:
    """Residuals cut at Huber's bound."""
    return _within(residual, _HUBER * _scale(residual))


def _within(values: np.ndarray, reach: float) -> np.ndarray:
    """Values, with what lies further than `reach` from their median cut there."""
    centre = float(np.median(values))
    return np.asarray(np.clip(values, centre - reach, centre + reach))


def robust_sd(values: np.ndarray) -> float:
    """Standard deviation from the median absolute deviation, which outliers do not move.

    Source: Hampel, Journal of the American Statistical Association 69, 1974.
    """
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _scale(values: np.ndarray) -> float:
    # Kept above the clock's resolution: it divides.
    return max(robust_sd(values), 1e-6)
