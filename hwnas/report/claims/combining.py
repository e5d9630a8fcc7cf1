"""What is computed from several numbers, with the interval that theirs imply."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.stats import norm

from hwnas.measuring.statistics import PROCESS_SPREAD
from hwnas.report.claims.values import Value

_DRAWS = 4000
_TAIL = 2.5
_SIGMAS = float(norm.ppf(1 - _TAIL / 100))

#: Of logarithms of shape ``(draws, values)``, along the last axis.
Statistic = Callable[[np.ndarray], np.ndarray]


def combine(values: Sequence[Value], statistic: Statistic, *, log: bool = True) -> Value:
    """A statistic of positive numbers, with the interval that theirs imply.

    Their logarithms are drawn as normal variables whose 95 % intervals are those of the values (parametric
    bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sec. 6.5), in two ways: all
    independent; and with the usual spread between processes, which is a part of each interval, drawn once for
    each process, since a process serves many cells. Nobody knows how much of that spread the cells of a process
    have in common, so the interval is from the lower of both lower ends to the higher of both upper ends. A
    mean over a study is no better known than its processes are, and a ratio within a process no better than if
    nothing cancelled.

    Args:
        values: All above 0.
        statistic: What is wanted.
        log: Whether the statistic is a logarithm, whose exponential is wanted.
    """
    centre = np.log([[v.value for v in values]])
    found = float(statistic(centre)[0])
    low = high = found
    counted = all(v.counted for v in values)
    if not counted:
        for drawn in _draws(values, centre):
            ends = np.percentile(statistic(drawn), [_TAIL, 100 - _TAIL])
            low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    if log:
        found, low, high = math.exp(found), math.exp(low), math.exp(high)
    return Value(found, low, high, counted)


def _draws(values: Sequence[Value], centre: np.ndarray) -> Iterator[np.ndarray]:
    """Logarithms of the values, as if independent and then with what processes share, ``(draws, values)``."""
    rng = np.random.default_rng(0)
    spread = np.array([math.log(v.high / v.low) / (2 * _SIGMAS) for v in values])
    own = rng.standard_normal((_DRAWS, len(values)))
    yield centre + spread * own
    processes = list(dict.fromkeys(p for v in values for p, _ in v.processes))
    if not processes:
        return
    shares = np.zeros((len(values), len(processes)))
    for row, value in zip(shares, values, strict=True):
        for process, power in value.processes:
            row[processes.index(process)] += PROCESS_SPREAD * power
    # No more of a value is shared than its interval has.
    reach = np.sqrt((shares**2).sum(axis=1))
    within = np.minimum(reach, spread)
    shares *= np.divide(within, reach, out=np.zeros_like(reach), where=reach > 0)[:, None]
    common = rng.standard_normal((_DRAWS, len(processes))) @ shares.T
    yield centre + np.sqrt(spread**2 - within**2) * own + common


def geometric_mean(values: Sequence[Value]) -> Value:
    """Geometric mean (Fleming and Wallace, Communications of the ACM 29, 1986)."""
    return values[0] if len(values) == 1 else combine(values, lambda logs: logs.mean(axis=-1))


def ratio(numerator: Value, denominator: Value) -> Value:
    """A quotient."""
    return mean_ratio([numerator], [denominator])


def mean_ratio(numerators: Sequence[Value], denominators: Sequence[Value]) -> Value:
    """The geometric mean of some values over that of others."""
    count = len(numerators)
    return combine(
        [*numerators, *denominators],
        lambda logs: logs[..., :count].mean(axis=-1) - logs[..., count:].mean(axis=-1),
    )


def spread(lines: Sequence[Sequence[Value]]) -> Value:
    """The largest over the smallest of the geometric means of equally many values each."""
    count = len(lines[0])

    def statistic(logs: np.ndarray) -> np.ndarray:
        means = logs.reshape(len(logs), -1, count).mean(axis=-1)
        return np.asarray(means.max(axis=-1) - means.min(axis=-1))

    return combine([v for line in lines for v in line], statistic)


def exponent(sizes: Sequence[float], values: Sequence[Value]) -> Value:
    """The k of value = c * size ** k, by least squares on logarithms; shape of both ``(sizes,)``."""
    weights = _slope_weights(sizes)
    return combine(values, lambda logs: logs @ weights, log=False)


def exponent_difference(sizes: Sequence[float], first: Sequence[Value], second: Sequence[Value]) -> Value:
    """The :func:`exponent` of some values minus that of others at the same sizes."""
    weights = np.concatenate([_slope_weights(sizes), -_slope_weights(sizes)])
    return combine([*first, *second], lambda logs: logs @ weights, log=False)


def _slope_weights(sizes: Sequence[float]) -> np.ndarray:
    x = np.log(np.asarray(sizes, dtype=float))
    return np.asarray((x - x.mean()) / ((x - x.mean()) ** 2).sum())


def pearson_of_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r along the last axis of arrays that broadcast; 0 where one of the two does not vary."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.asarray(np.divide((x * y).sum(axis=-1), scale, out=np.zeros_like(scale), where=scale > 0))
