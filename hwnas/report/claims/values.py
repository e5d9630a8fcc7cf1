"""Positive numbers with intervals, and what is computed from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from hwnas.report.cells import Cell
from hwnas.report.claims.missing import MissingEvidence

_DRAWS = 4000
_TAIL = 2.5
_SIGMAS = float(norm.ppf(1 - _TAIL / 100))


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval.

    Args:
        value: The number.
        low: Lower end; equal to the value where no interval is known.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Value:
        """A number whose error nobody knows."""
        return cls(value, value, value)

    def text(self, unit: str = "") -> str:
        """Three digits, with the interval where there is one: ``3.8x [3.7, 3.9]``."""
        shown = f"{_digits(self.value)}{unit}"
        if self.low == self.high:
            return shown
        return f"{shown} [{_digits(self.low)}, {_digits(self.high)}]"


def latency(cell: Cell) -> Value:
    """Latency of one image [s].

    Raises:
        MissingEvidence: There is none.
    """
    e = cell.estimate
    if e is None:
        raise MissingEvidence(f"{cell.workload.label} on {cell.backend} has no latency")
    batch = cell.workload.batch
    return Value(e.latency_s / batch, e.low_s / batch, e.high_s / batch)


def speedup(cell: Cell) -> Value:
    """Speedup over the baseline, from rounds side by side.

    Raises:
        MissingEvidence: There is none.
    """
    c = cell.comparison
    if c is None:
        raise MissingEvidence(f"no speedup of {cell.workload.label} on {cell.backend}: {cell.no_comparison}")
    return Value(c.speedup, c.low, c.high)


def combine(
    values: Sequence[Value], statistic: Callable[[np.ndarray], np.ndarray], *, log: bool = True
) -> Value:
    """A statistic of positive numbers, with the interval that theirs imply.

    Their logarithms are drawn as independent normal variables whose 95 % intervals are those of the values
    (parametric bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sec. 6.5).

    Args:
        values: All above 0.
        statistic: Of logarithms of shape ``(draws, values)``, along the last axis.
        log: Whether the statistic is a logarithm, whose exponential is wanted.
    """
    centre = np.log([[v.value for v in values]])
    spread = np.array([math.log(v.high / v.low) / (2 * _SIGMAS) for v in values])
    drawn = centre + spread * np.random.default_rng(0).standard_normal((_DRAWS, len(values)))
    found, draws = float(statistic(centre)[0]), statistic(drawn)
    low, high = (float(q) for q in np.percentile(draws, [_TAIL, 100 - _TAIL]))
    if not log:
        return Value(found, low, high)
    return Value(math.exp(found), math.exp(low), math.exp(high))


def geometric_mean(values: Sequence[Value]) -> Value:
    """Geometric mean (Fleming and Wallace, Communications of the ACM 29, 1986)."""
    return combine(values, lambda logs: logs.mean(axis=-1))


def ratio(numerator: Value, denominator: Value) -> Value:
    """A quotient."""
    return combine([numerator, denominator], lambda logs: logs[..., 0] - logs[..., 1])


def exponent(sizes: Sequence[float], values: Sequence[Value]) -> Value:
    """The k of value = c * size ** k, by least squares on logarithms; shape of both ``(sizes,)``."""
    x = np.log(np.asarray(sizes, dtype=float))
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    return combine(values, lambda logs: logs @ weights, log=False)


def _digits(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    shown = float(f"{value:.3g}")
    return f"{shown:.0f}" if abs(shown) >= 100 else f"{shown:.3g}"
