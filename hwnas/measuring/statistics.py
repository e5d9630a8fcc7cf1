"""From raw samples to numbers with intervals, and from two arms to a verdict.

Resampling works on rounds, not on samples: neighbouring samples share the state of the host, and
arms that ran in the same round share it with each other. All intervals are 95 % bootstrap
intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13) with runs of
consecutive rounds drawn together (Kuensch, Annals of Statistics 17, 1989), which wrap around at the end
(Politis and Romano, A circular block-resampling procedure, 1992), widened by what processes differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Measurement
from hwnas.measuring.combining import INTERIM_TAIL, TAIL, DrawnPass, combine, run_length
from hwnas.measuring.drift import (
    BlockSeries,
    DriftFit,
    fit_drift,
    lasting_slope,
    reference_index,
    robust_sd,
    usual_slope,
)
from hwnas.measuring.rounds import round_medians

_DRAWS = 2000

#: Usual relative standard deviation of a latency between processes that take turns, by memory placement alone:
#: what a ratio of rounds side by side has of each of its two arms (docs/benchmarks.md, aa).
PROCESS_SPREAD = 0.01
#: The same between passes, minutes to hours apart: placement, and what the drift correction leaves of the host,
#: beyond what rounds and the slope tell of it. Corrected passes of one network differed by 3.1 % (OpenVINO) and
#: 5.0 % (PyTorch), two runs by 4.3 % with two or three passes and by 2.8 % with up to five, that is by 4 to 5 %
#: from pass to pass, noise within them included (docs/benchmarks.md, predict_host and repeatability).
PASS_SPREAD = 0.03

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
        latency_s: Drift-corrected latency [s]: robust mean of the logarithms, see docs/protocol.md.
        low_s: Lower end of its 95 % interval [s].
        high_s: Upper end [s].
        raw_median_s: Median of all samples as they were taken [s].
        noise: Robust relative standard deviation of block medians, uncorrected.
        residual_noise: The same after the correction.
        passes: Passes that went in.
        samples: Samples that went in.
        preemptions_per_s: How often another process took the CPU, in a second of timed work; None where the
            kernel does not tell.
    """

    latency_s: float
    low_s: float
    high_s: float
    raw_median_s: float
    noise: float
    residual_noise: float
    passes: int
    samples: int
    preemptions_per_s: float | None


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

    def __init__(self, series: BlockSeries, fit: DriftFit) -> None:
        self.series = series
        self.fit = fit
        self.rounds = np.unique(self.series.round)

    def sums(self, rounds: np.ndarray, centre: float) -> np.ndarray:
        """Per round: count, sum of tamed log latency corrected to `centre`; shape ``(rounds, 2)``."""
        # Their mean is that of the pass; by the same slope, as the scatter of the readings is the mean's error.
        level = self.fit.tamed - self.fit.level_slope * (self.fit.index - centre)
        place = np.searchsorted(rounds, self.series.round)
        sums = np.zeros((len(rounds), 2))
        np.add.at(sums[:, 0], place, 1.0)
        np.add.at(sums[:, 1], place, level)
        return sums


def _draw_rounds(count: int, rng: np.random.Generator) -> np.ndarray:
    """How often each round is drawn: shape ``(draws, count)``; runs of rounds wrap around."""
    places = _draw_places(count, rng) + count * np.arange(_DRAWS)[:, None]
    return np.bincount(places.ravel(), minlength=_DRAWS * count).reshape(_DRAWS, count).astype(float)


def _draw_places(count: int, rng: np.random.Generator) -> np.ndarray:
    """The rounds of every draw: shape ``(draws, count)``."""
    run = run_length(count)
    starts = rng.integers(0, count, (_DRAWS, -(-count // run)))
    return np.asarray(((starts[:, :, None] + np.arange(run)) % count).reshape(_DRAWS, -1)[:, :count])


def estimate(
    measurements: Sequence[Measurement],
    reference: Mapping[str, float] | None,
    seed: int = 0,
    *,
    spread: float = PASS_SPREAD,
    interim: bool = False,
) -> Estimate:
    """The drift-corrected latency of one cell.

    Args:
        measurements: The passes of one workload on one backend; those without samples are ignored.
        reference: Canary durations [s] by kernel that the latency refers to, or None for the
            median speed during these measurements.
        seed: Of the resampling.
        spread: Usual relative standard deviation between passes, beyond what each tells of itself.
        interim: Give the 99 % interval, for looks at passes that more may follow, as :func:`compare` does.

    Raises:
        UsageError: No measurement has samples, or they are of different cells.
    """
    usable = [m for m in measurements if m.blocks]
    if not usable:
        raise UsageError("no samples to estimate a latency from", "Measure the cell first")
    if len({(m.workload.key, m.backend, m.threads) for m in usable}) > 1:
        raise UsageError("measurements of different cells cannot be averaged", "Estimate each cell alone")
    rng = np.random.default_rng(seed)
    series = [BlockSeries.of(m.blocks, m.calls_per_sample) for m in usable]
    index = np.concatenate([s.index for s in series])
    centre = reference_index(reference) if reference and np.any(index) else float(np.median(index))
    series = [s.near(centre) for s in series]
    backend = usable[0].backend
    fits = fit_drift(series, usual_slope(backend), lasting_slope(backend))
    passes = [_Pass(s, fit) for s, fit in zip(series, fits, strict=True)]
    drawn = []
    for one in passes:
        sums = one.sums(one.rounds, centre)
        totals = _draw_rounds(len(one.rounds), rng) @ sums
        value = float(sums[:, 1].sum() / sums[:, 0].sum())
        # The reference may lie outside the speeds that were met; an error of the slope grows with it.
        reach = centre - float(one.fit.index.mean())
        drawn.append(DrawnPass(value, totals[:, 1] / totals[:, 0], len(one.rounds), reach))
    tail = INTERIM_TAIL if interim else TAIL
    middle, low, high = np.exp(combine(drawn, spread, tail, passes[0].fit.level_slope_error))
    told = [(m, b) for m in usable for b in m.blocks if b.preemptions is not None]
    told_s = sum(sum(b.samples_s) * m.calls_per_sample for m, b in told)
    samples = np.concatenate([m.samples_s for m in usable])
    return Estimate(
        latency_s=float(middle),
        low_s=float(low),
        high_s=float(high),
        raw_median_s=float(np.median(samples)),
        noise=float(np.mean([robust_sd(p.series.log_latency) for p in passes])),
        residual_noise=float(np.mean([p.fit.scale for p in passes])),
        passes=len(passes),
        samples=len(samples),
        preemptions_per_s=sum(b.preemptions or 0 for _, b in told) / told_s if told_s else None,
    )


def compare(
    baseline: Sequence[Measurement], arm: Sequence[Measurement], seed: int = 0, *, interim: bool = False
) -> Comparison:
    """How fast `arm` is against `baseline`, from passes in which both were interleaved.

    Rounds pair: the logarithm of the ratio of both arms' medians in a round, then Huber's location
    over rounds. Turns are short enough that the host's drift cancels; the canary takes no part,
    since two processes' canaries can differ by more than the arms do.

    Args:
        baseline: Passes of the baseline arm.
        arm: Passes of the other arm; passes pair by :attr:`Measurement.group`.
        seed: Of the resampling.
        interim: Give the 99 % interval and its verdict, for looks at a campaign that may still go on:
            looking after each pass until a 95 % interval excludes 1 would find a difference too often
            (Haybittle, British Journal of Radiology 44, 1971; Peto et al., British Journal of Cancer 34, 1976).

    Raises:
        UsageError: No pass has samples of both.
    """
    partner = {m.group: m for m in baseline if m.blocks}
    pairs = [(partner[m.group], m) for m in arm if m.blocks and m.group in partner]
    if not pairs:
        raise UsageError("the two arms share no pass", "Measure them in one campaign")
    rng = np.random.default_rng(seed)
    drawn = []
    for one, other in pairs:
        first, second = round_medians(one.blocks), round_medians(other.blocks)
        rounds = sorted(first.keys() & second.keys())
        ratios = np.array([first[r] - second[r] for r in rounds])
        value = _huber_mean(ratios[None, :])[0]
        places = _draw_places(len(rounds), rng)
        drawn.append(DrawnPass(float(value), _huber_mean(ratios[places]), len(rounds)))
    # Two arms, two processes.
    tail = INTERIM_TAIL if interim else TAIL
    speedup, low, high = (float(v) for v in np.exp(combine(drawn, PROCESS_SPREAD * np.sqrt(2), tail)))
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


def _huber_mean(values: np.ndarray) -> np.ndarray:
    """Huber's location (k = 1.5) of each row of ``(draws, n)``, shape ``(draws,)``.

    Source: Huber, Annals of Mathematical Statistics 35, 1964.
    """
    centre = _row_medians(values)
    scale = 1.4826 * _row_medians(np.abs(values - centre[:, None]))
    bound = 1.5 * np.maximum(scale, 1e-9)
    # A report does this for thousands of draws of hundreds of cells: in place, and along the draws, which are
    # many more than the values of each.
    columns = np.ascontiguousarray(values.T)
    weight, product = np.empty_like(columns), np.empty_like(columns)
    for _ in range(10):
        np.abs(np.subtract(columns, centre, out=weight), out=weight)
        np.minimum(1.0, np.divide(bound, np.maximum(weight, 1e-12, out=weight), out=weight), out=weight)
        np.multiply(weight, columns, out=product)
        centre = product.sum(axis=0) / weight.sum(axis=0)
    return np.asarray(centre)


def _row_medians(values: np.ndarray) -> np.ndarray:
    """Of ``(rows, n)``, shape ``(rows,)``; several times as fast as NumPy's for few columns."""
    ordered = np.sort(values, axis=1)
    half = values.shape[1] // 2
    return ordered[:, half] if values.shape[1] % 2 else (ordered[:, half - 1] + ordered[:, half]) / 2
