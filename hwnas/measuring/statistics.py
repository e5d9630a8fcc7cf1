"""From raw samples to numbers with intervals, and from two arms to a verdict.

Resampling works on rounds, not on samples: neighbouring samples share the state of the host, and
arms that ran in the same round share it with each other. All intervals are 95 % percentile
bootstrap intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13),
with runs of consecutive rounds drawn together (Kuensch, Annals of Statistics 17, 1989).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Measurement
from hwnas.measuring.drift import BlockSeries, DriftFit, fit_drift, reference_index

_DRAWS = 2000
_RUN_ROUNDS = 3
_TAIL = 2.5  # percent on either side

#: Differences below this are of no practical interest. A 5 % difference must be found and two equal
#: arms must be called equal; the boundary that treats both errors alike lies half way.
MARGIN = 0.025


class Verdict(StrEnum):
    """The outcome of comparing an arm with the baseline."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    SAME = "SAME"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True)
class Estimate:
    """The latency of one cell over all its passes.

    Args:
        latency_s: Drift-corrected median [s].
        low_s: Lower end of its 95 % interval [s].
        high_s: Upper end [s].
        raw_median_s: Median of all samples as they were taken [s].
        noise: Robust relative standard deviation of block medians, uncorrected.
        residual_noise: The same after the correction.
        passes: Passes that went in.
        samples: Samples that went in.
        preempted: Share of blocks in which the process lost its CPU to another process.
    """

    latency_s: float
    low_s: float
    high_s: float
    raw_median_s: float
    noise: float
    residual_noise: float
    passes: int
    samples: int
    preempted: float


@dataclass(frozen=True)
class Comparison:
    """How fast an arm is against the baseline it was interleaved with.

    Args:
        speedup: Baseline latency / arm latency; above 1 the arm is faster.
        low: Lower end of its 95 % interval.
        high: Upper end.
        verdict: See :func:`judge`.
    """

    speedup: float
    low: float
    high: float
    verdict: Verdict


class _Pass:
    """One measurement, reduced to sums per round that a bootstrap can add up."""

    def __init__(self, measurement: Measurement) -> None:
        self.series = BlockSeries.of(measurement.blocks)
        self.fit: DriftFit = fit_drift(self.series)
        self.rounds = np.unique(self.series.round)

    def sums(self, rounds: np.ndarray, centre: float) -> np.ndarray:
        """Per round: count, sum of tamed log latency corrected to `centre`; shape ``(rounds, 2)``."""
        level = self.fit.tamed - self.fit.slope * (self.series.index - centre)
        place = np.searchsorted(rounds, self.series.round)
        sums = np.zeros((len(rounds), 2))
        np.add.at(sums[:, 0], place, 1.0)
        np.add.at(sums[:, 1], place, level)
        return sums


def _draw_rounds(count: int, rng: np.random.Generator) -> np.ndarray:
    """How often each round is drawn: shape ``(draws, count)``; runs of rounds wrap around."""
    run = min(_RUN_ROUNDS, max(1, count // 4))
    starts = rng.integers(0, count, (_DRAWS, -(-count // run)))
    places = ((starts[:, :, None] + np.arange(run)) % count).reshape(_DRAWS, -1)[:, :count]
    counts = np.zeros((_DRAWS, count))
    np.add.at(counts, (np.arange(_DRAWS)[:, None], places), 1.0)
    return counts


def _combine(values: list[float], draws: list[np.ndarray]) -> tuple[float, float, float]:
    """Mean over passes with a 95 % interval that also covers the differences between passes.

    The draws know the variance within a pass. What the passes differ beyond it is the variance
    between processes, estimated by moments as in DerSimonian and Laird (Controlled Clinical
    Trials 7, 1986); the interval is widened by the ratio of both to the first alone.
    """
    passes = len(values)
    centre = float(np.mean(values))
    pooled = np.mean(draws, axis=0) if passes > 1 else draws[0]
    deviations = pooled - centre
    if passes > 1:
        within = float(np.mean([d.var() for d in draws]))
        between = max(0.0, float(np.var(values, ddof=1)) - within)
        deviations = deviations * np.sqrt((within + between) / within) if within > 0 else deviations
    low, high = np.percentile(deviations, [_TAIL, 100 - _TAIL])
    return centre, centre + float(low), centre + float(high)


def estimate(
    measurements: Sequence[Measurement], reference: Mapping[str, float] | None, seed: int = 0
) -> Estimate:
    """The drift-corrected latency of one cell.

    Args:
        measurements: The passes of one workload on one backend; those without samples are ignored.
        reference: Canary durations [s] by kernel that the latency refers to, or None for the
            median speed during these measurements.
        seed: Of the resampling.

    Raises:
        UsageError: No measurement has samples, or they are of different cells.
    """
    usable = [m for m in measurements if m.blocks]
    if not usable:
        raise UsageError("no samples to estimate a latency from", "Measure the cell first")
    if len({(m.workload.key, m.backend, m.threads) for m in usable}) > 1:
        raise UsageError("measurements of different cells cannot be averaged", "Estimate each cell alone")
    rng = np.random.default_rng(seed)
    passes = [_Pass(m) for m in usable]
    index = np.concatenate([p.series.index for p in passes])
    centre = reference_index(reference) if reference and np.any(index) else float(np.median(index))
    values, draws = [], []
    for one in passes:
        sums = one.sums(one.rounds, centre)
        values.append(float(sums[:, 1].sum() / sums[:, 0].sum()))
        drawn = _draw_rounds(len(one.rounds), rng) @ sums
        draws.append(drawn[:, 1] / drawn[:, 0])
    middle, low, high = np.exp(_combine(values, draws))
    blocks = [b for m in usable for b in m.blocks]
    preempted = [bool(b.preemptions) for b in blocks if b.preemptions is not None]
    samples = np.concatenate([m.samples_s for m in usable])
    return Estimate(
        latency_s=float(middle),
        low_s=float(low),
        high_s=float(high),
        raw_median_s=float(np.median(samples)),
        noise=float(np.mean([_robust_sd(p.series.log_latency) for p in passes])),
        residual_noise=float(np.mean([p.fit.scale for p in passes])),
        passes=len(passes),
        samples=len(samples),
        preempted=float(np.mean(preempted)) if preempted else 0.0,
    )


def compare(baseline: Sequence[Measurement], arm: Sequence[Measurement], seed: int = 0) -> Comparison:
    """How fast `arm` is against `baseline`, from passes in which both were interleaved.

    Args:
        baseline: Passes of the baseline arm.
        arm: Passes of the other arm; passes pair by :attr:`Measurement.group`.
        seed: Of the resampling.

    Raises:
        UsageError: No pass has samples of both.
    """
    partner = {m.group: m for m in baseline if m.blocks}
    pairs = [(partner[m.group], m) for m in arm if m.blocks and m.group in partner]
    if not pairs:
        raise UsageError("the two arms share no pass", "Measure them in one campaign")
    rng = np.random.default_rng(seed)
    values, draws = [], []
    for one, other in pairs:
        first, second = _Pass(one), _Pass(other)
        rounds = np.intersect1d(first.rounds, second.rounds)
        # Both are corrected to the speed that they met together, so the reference cancels.
        centre = float(np.concatenate([first.series.index, second.series.index]).mean())
        sums = np.hstack([_select(p, rounds, centre) for p in (first, second)])
        total = sums.sum(axis=0)
        values.append(float(total[1] / total[0] - total[3] / total[2]))
        drawn = _draw_rounds(len(rounds), rng) @ sums
        draws.append(drawn[:, 1] / drawn[:, 0] - drawn[:, 3] / drawn[:, 2])
    speedup, low, high = (float(v) for v in np.exp(_combine(values, draws)))
    return Comparison(speedup, low, high, judge(speedup, low, high))


def judge(speedup: float, low: float, high: float, margin: float = MARGIN) -> Verdict:
    """FASTER or SLOWER: the interval excludes 1 and the ratio is beyond the margin.
    SAME: the whole interval lies within the margin.
    UNCLEAR: anything else; measure longer.
    """
    if low > 1 and speedup > 1 + margin:
        return Verdict.FASTER
    if high < 1 and speedup < 1 / (1 + margin):
        return Verdict.SLOWER
    inside = low >= 1 / (1 + margin) and high <= 1 + margin
    return Verdict.SAME if inside else Verdict.UNCLEAR


def _select(one: _Pass, rounds: np.ndarray, centre: float) -> np.ndarray:
    sums = one.sums(one.rounds, centre)
    return sums[np.isin(one.rounds, rounds)]


def _robust_sd(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
