"""From several passes, each with its bootstrap draws, to one value with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

_RUN_ROUNDS = 3
#: Percent on either side of an interval that is reported, and of one that may end measuring early.
TAIL, INTERIM_TAIL = 2.5, 0.5
#: How many passes the usual spread between passes is worth.
_SPREAD_WEIGHT = 2


def run_length(rounds: int) -> int:
    """Consecutive rounds that are drawn together."""
    return min(_RUN_ROUNDS, max(1, rounds // 4))


@dataclass(frozen=True)
class DrawnPass:
    """One pass.

    Args:
        value: Its estimate.
        draws: The estimate in every bootstrap draw, shape ``(draws,)``.
        rounds: Rounds that went in.
        reach: How far the estimate was carried along the shared slope, 0 where there is none.
    """

    value: float
    draws: np.ndarray
    rounds: int
    reach: float = 0.0


def combine(
    passes: Sequence[DrawnPass], spread: float, tail: float = TAIL, slope_error: float = 0.0
) -> tuple[float, float, float]:
    """Weighted mean over passes with a 95 % interval that also covers what passes differ.

    The draws know the variance within a pass; n runs of rounds make it too small by (n - 1)/n. What the
    passes differ beyond it is the variance between passes (:func:`variance_between`). Two or three passes
    tell little of it, so it is combined with the usual spread between them, which counts as
    `_SPREAD_WEIGHT` more passes (the scale of the posterior under a scaled inverse chi-squared prior, with
    which a mean follows Student's t: Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 2.6). An error of the
    slope is common to all passes and moves each by its own reach. Passes weigh by the inverse of all three, so
    one which met the host far from its reference speed counts less. (Generalised least squares, with their
    covariance, would follow the slope that two or three passes seem to have among themselves, and carry it
    beyond them.) The interval has the shape of the draws, with the total variance and Student's t for its
    degrees of freedom (Satterthwaite, Biometrics Bulletin 2, 1946).

    Args:
        passes: At least one.
        spread: Usual standard deviation between passes of the quantity combined.
        tail: Percent on either side of the interval.
        slope_error: Standard error of the slope that all passes share.
    """
    count = len(passes)
    values = np.array([p.value for p in passes])
    runs = [max(2, p.rounds // run_length(p.rounds)) for p in passes]
    own = np.array([float(p.draws.var()) * n / (n - 1) for p, n in zip(passes, runs, strict=True)])
    reach = slope_error * np.array([p.reach for p in passes])
    # For the moments, the common error is as good as one of each pass's own.
    apart = own + reach**2
    seen = variance_between(values, apart, 1 / (apart + spread**2)) if count > 1 else 0.0
    freedom_between = _SPREAD_WEIGHT + count - 1
    between = (_SPREAD_WEIGHT * spread**2 + (count - 1) * seen) / freedom_between
    weights = 1 / (apart + between)
    weights /= weights.sum()
    centre = float(weights @ values)
    within_parts = weights**2 * own
    between_part = between * float(weights @ weights)
    variance = float(within_parts.sum()) + between_part + float(weights @ reach) ** 2
    error = float(np.sqrt(variance))
    freedom = variance**2 / (
        float((within_parts**2 / (np.array(runs) - 1)).sum()) + between_part**2 / freedom_between
    )
    deviations = weights @ np.array([p.draws - p.value for p in passes])
    quantile = float(student_t.ppf(1 - tail / 100, freedom))
    low, high = -1.0, 1.0
    if deviations.std() > 0:
        shape = (deviations - deviations.mean()) / deviations.std()
        ends = np.percentile(shape, [TAIL, 100 - TAIL]) / norm.ppf(1 - TAIL / 100)
        # Where hardly any draw differs from the others, both ends lie on one side: no shape to follow.
        if ends[0] < 0 < ends[1]:
            low, high = float(ends[0]), float(ends[1])
    return centre, centre + low * quantile * error, centre + high * quantile * error


def variance_between(values: np.ndarray, own: np.ndarray, weights: np.ndarray) -> float:
    """Variance of values beyond their own variances, at least 0; all arrays of shape ``(passes,)``.

    Source: the general method of moments, DerSimonian and Kacker, Contemporary Clinical Trials 28, 2007, eq. 6.
    """
    total = weights.sum()
    spread = float(weights @ (values - weights @ values / total) ** 2)
    expected = float(weights @ own - weights**2 @ own / total)
    return max(0.0, (spread - expected) / float(total - (weights**2).sum() / total))
