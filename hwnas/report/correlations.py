"""How latency, multiply-adds and cache misses go together: correlations with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from scipy.stats import norm, pearsonr, spearmanr

from hwnas.report.cells import Cell
from hwnas.report.order import Axis
from hwnas.report.quantities import count_of
from hwnas.report.sweeps import Line, Sweep, find_sweeps

#: Points below which a correlation says next to nothing: Fisher's interval of four spans nearly everything.
FEWEST = 5
#: The networks of all patterns of a sweep together.
ALL_PATTERNS = "all patterns"

_SIGMAS = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Correlation:
    """One coefficient.

    Args:
        value: From -1 to 1; None where `reason` says why.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Points that went in.
        reason: Why there is none, else empty.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""


def pearson(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Pearson's r of the logarithms of positive numbers, with Fisher's interval.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.

    Source: Fisher, On the probable error of a coefficient of correlation, Metron 1, 1921: atanh(r) is about
    normal with variance 1 / (n - 3).
    """
    reason = _unfit(x, y) or ("zero has no logarithm" if min(*x, *y) <= 0 else "")
    if reason:
        return Correlation(None, None, None, len(x), reason)
    r = float(np.clip(pearsonr(np.log(x), np.log(y)).statistic, -1.0, 1.0))
    return _with_interval(r, r, 1.0, len(x))


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rho, with Fisher's interval for ranks.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.

    Source: Bonett and Wright, Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations, Psychometrika 65, 2000, eq. 2: variance (1 + rho^2 / 2) / (n - 3). Around a perfect order,
    where that interval does not exist, half of what exchanging two neighbours costs is taken off first.
    """
    reason = _unfit(x, y)
    if reason:
        return Correlation(None, None, None, len(x), reason)
    n = len(x)
    # Rounded, so that a perfect order is 1 and not a little less.
    rho = float(np.clip(round(spearmanr(x, y).statistic, 12), -1.0, 1.0))
    # One exchange of neighbours costs 12 / (n^3 - n).
    largest = 1.0 - 6.0 / (n**3 - n)
    return _with_interval(rho, float(np.clip(rho, -largest, largest)), 1.0 + rho**2 / 2, n)


def _unfit(x: Sequence[float], y: Sequence[float]) -> str:
    """Why there is no correlation, or an empty string."""
    if len(x) < FEWEST:
        return f"{len(x)} of at least {FEWEST} points"
    same = next((values[0] for values in (x, y) if len(set(values)) == 1), None)
    return "" if same is None else f"one of the two is {same:g} everywhere"


def _with_interval(value: float, centre: float, variance: float, n: int) -> Correlation:
    if abs(centre) == 1.0:
        return Correlation(value, value, value, n)
    reach = _SIGMAS * math.sqrt(variance / (n - 3))
    ends = (math.tanh(math.atanh(centre) + side * reach) for side in (-1, 1))
    low, high = ends
    return Correlation(value, min(low, value), max(high, value), n)


@dataclass(frozen=True)
class Pair:
    """Two quantities of a cell.

    Args:
        x: Name of the first: ``MACs`` or ``misses``.
        y: Name of the second: ``misses`` or ``latency``.
        source: Where the misses come from, empty where they are not of the pair.
        geometry: The cache they were counted on; None for the processor's own.
        read: Both of a cell, or None where it lacks one.
    """

    x: str
    y: str
    source: str
    geometry: str | None
    read: Callable[[Cell], tuple[float, float] | None]


@dataclass(frozen=True)
class CorrelationRow:
    """One pair over one line of a sweep, or over the lines of all patterns.

    Args:
        sweep: The sweep.
        pattern: Name of the pattern, or :data:`ALL_PATTERNS`.
        backend: Full id.
        batch: Images in one inference.
        pair: What is correlated.
        pearson: Of logarithms.
        spearman: Of ranks.
    """

    sweep: Sweep
    pattern: str
    backend: str
    batch: int
    pair: Pair
    pearson: Correlation
    spearman: Correlation

    def record(self) -> dict[str, Any]:
        """A flat record for a file; None where there is no correlation."""
        s, p, r = self.sweep, self.pearson, self.spearman
        return {
            "over": s.axis,
            "fixed": s.fixed,
            "feature_maps": s.image,
            "threads": s.threads,
            "batch": self.batch,
            "pattern": self.pattern,
            "backend": self.backend,
            "x": self.pair.x,
            "y": self.pair.y,
            "source": self.pair.source,
            "geometry": self.pair.geometry,
            "n": p.n,
            "pearson_of_logarithms": p.value,
            "pearson_low": p.low,
            "pearson_high": p.high,
            "spearman": r.value,
            "spearman_low": r.low,
            "spearman_high": r.high,
            "reason": p.reason or r.reason,
        }


def correlations(cells: Sequence[Cell]) -> list[CorrelationRow]:
    """Every pair over every sweep of depth or width, by arm, batch and pattern.

    Cells of different batches are never put together: all three quantities grow with the batch, which would
    make any two of them go together.
    """
    return [row for axis in get_args(Axis) for sweep in find_sweeps(cells, axis) for row in _rows(sweep)]


def _rows(sweep: Sweep) -> Iterator[CorrelationRow]:
    pairs = _pairs(sweep.cells)
    places = dict.fromkeys((x.batch, x.backend) for lines in sweep.panels.values() for x in lines)
    for batch, backend in sorted(places, key=lambda place: place[0]):
        own = {
            pattern: [
                c for line in lines if (line.batch, line.backend) == (batch, backend) for c in _known(line)
            ]
            for pattern, lines in sweep.panels.items()
        }
        if not any(c.estimate for found in own.values() for c in found):
            continue  # an arm that was not measured is told once, not in every row
        if len(own) > 1:
            own[ALL_PATTERNS] = [c for found in own.values() for c in found]
        for pair in pairs:
            for pattern, found in own.items():
                points = [p for p in map(pair.read, found) if p is not None]
                x, y = ([p[i] for p in points] for i in (0, 1))
                yield CorrelationRow(sweep, pattern, backend, batch, pair, pearson(x, y), spearman(x, y))


def _known(line: Line) -> list[Cell]:
    return [c for c in line.cells if c is not None]


def _pairs(cells: Sequence[Cell]) -> list[Pair]:
    """MACs against latency; and both against the misses of each source that counted any."""
    kinds = dict.fromkeys((m.source, m.geometry) for c in cells for m in c.cache_misses if m.value)
    pairs = [Pair("MACs", "latency", "", None, _both(_macs, _latency))]
    for source, geometry in kinds:
        misses = count_of(source, geometry)
        pairs.append(Pair("MACs", "misses", source, geometry, _both(_macs, misses)))
        pairs.append(Pair("misses", "latency", source, geometry, _both(misses, _latency)))
    return pairs


_Read = Callable[[Cell], float | None]


def _both(first: _Read, second: _Read) -> Callable[[Cell], tuple[float, float] | None]:
    def read(cell: Cell) -> tuple[float, float] | None:
        x, y = first(cell), second(cell)
        return None if x is None or y is None else (x, y)

    return read


def _macs(cell: Cell) -> float | None:
    return cell.macs


def _latency(cell: Cell) -> float | None:
    return cell.estimate.latency_s if cell.estimate else None
