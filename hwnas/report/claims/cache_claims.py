"""What the study says of cache misses and operation counts (section 2.2, figures 3 and 4)."""

from __future__ import annotations

import math

from hwnas.core.cache_geometry import NAMED_CACHES
from hwnas.report.cells import Cell
from hwnas.report.claims.evidence import (
    ACCELERATED,
    NATIVE,
    Evidence,
    Misses,
    PatternSweep,
    count,
    misses,
    misses_source,
    patterns,
)
from hwnas.report.claims.finding import NEAR, Claim, ClaimVerdict, Finding, MissingEvidence, near
from hwnas.report.claims.values import Value, geometric_mean, ratio, speedup
from hwnas.report.claims.wording import spoken
from hwnas.report.correlations import spearman

_FIGURE = "section 2.2, figure 3"
_PAPER_CACHE = str(NAMED_CACHES["paper"])


def _source(sweep: PatternSweep) -> Misses:
    cells = [c for p in patterns() for b in (NATIVE, ACCELERATED) for c in sweep.line(p, b)]
    source = misses_source(cells, _PAPER_CACHE)
    native = [c for p in patterns() for c in sweep.line(p, NATIVE)]
    if not any(count(c, source) for c in native):
        raise MissingEvidence(
            f"everything stays in the cache of {source.geometry}: count on a smaller one, --cache paper"
        )
    return source


def _reduction(sweep: PatternSweep, pattern: str, source: Misses) -> Value:
    """Native over accelerated misses, geometric mean over the sweep."""
    pairs = zip(sweep.line(pattern, NATIVE), sweep.line(pattern, ACCELERATED), strict=True)
    return geometric_mean([ratio(misses(n, source), misses(a, source)) for n, a in pairs])


def _condition(sweep: PatternSweep, source: Misses) -> str:
    return f"{sweep.condition}; misses by {source.source}" + (
        f" on {source.geometry}" if source.geometry else ""
    )


def _fewer(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    source = _source(sweep)
    found = {p: _reduction(sweep, p, source) for p in patterns()}
    every = [
        misses(n, source).value > misses(a, source).value
        for p in patterns()
        for n, a in zip(sweep.line(p, NATIVE), sweep.line(p, ACCELERATED), strict=True)
    ]
    verdict = ClaimVerdict.HOLDS if all(every) else ClaimVerdict.DOES_NOT_HOLD
    here = "native over accelerated: " + "; ".join(f"{spoken(p)} {v.text()}" for p, v in found.items())
    return Finding(verdict, None, here, _condition(sweep, source))


def _tenfold(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    source = _source(sweep)
    found = _reduction(sweep, "depthwise_bottleneck", source)
    return Finding(near(found, 10.0), found, f"{found.text()} times fewer", _condition(sweep, source))


def _standard_less(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    source = _source(sweep)
    standard, bottleneck = (_reduction(sweep, p, source) for p in ("standard", "depthwise_bottleneck"))
    verdict = ClaimVerdict.HOLDS if standard.value < bottleneck.value else ClaimVerdict.DOES_NOT_HOLD
    here = f"{standard.text()} times fewer; depthwise bottleneck {bottleneck.text()}"
    return Finding(verdict, None, here, _condition(sweep, source))


def _speedup_there(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    cell = sweep.cell("depthwise_bottleneck", ACCELERATED, sweep.values[-1])
    if cell.comparison is None:
        raise MissingEvidence(f"{cell.workload.label} has no speedup: {cell.no_comparison}")
    found = speedup(cell)
    return Finding(near(found, 5.2), found, found.text("x"), f"{sweep.condition}, depth {sweep.values[-1]}")


def _less_over_width(evidence: Evidence) -> Finding:
    over = {}
    sources = []
    for axis, sweep in (("depth", evidence.depth_misses), ("width", evidence.width_misses)):
        source = _source(sweep)
        sources.append(_condition(sweep, source))
        over[axis] = geometric_mean([_reduction(sweep, p, source) for p in patterns()])
    verdict = ClaimVerdict.HOLDS if over["width"].value < over["depth"].value else ClaimVerdict.DOES_NOT_HOLD
    here = f"{over['width'].text()} times fewer over width, {over['depth'].text()} over depth"
    return Finding(verdict, None, here, "; ".join(sources))


def _macs_predict(evidence: Evidence) -> Finding:
    # At one depth the patterns differ in what they are; over width each is compared with itself as well.
    found = {
        axis: _rank_correlation([c for p in patterns() for c in sweep.line(p, NATIVE)])
        for axis, sweep in (("depth", evidence.depth), ("width", evidence.width))
    }
    low, high = found["width"].low, found["depth"].high
    verdict = (
        ClaimVerdict.HOLDS
        if low > high
        else ClaimVerdict.DOES_NOT_HOLD
        if found["width"].high < found["depth"].low
        else ClaimVerdict.UNCLEAR
    )
    here = f"{found['width'].text()} over width, {found['depth'].text()} over depth"
    return Finding(verdict, None, here, "native framework, batch 1")


def _rank_correlation(cells: list[Cell]) -> Value:
    """Spearman's rho of MACs and latency."""
    known = [(c.macs, c.estimate.latency_s) for c in cells if c.macs is not None and c.estimate]
    found = spearman([m for m, _ in known], [t for _, t in known])
    if found.value is None or found.low is None or found.high is None:
        raise MissingEvidence(f"no correlation of MACs and latency: {found.reason}")
    return Value(found.value, found.low, found.high)


def _lowest_macs_slow(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    deepest = {p: sweep.cell(p, NATIVE, sweep.values[-1]) for p in patterns()}
    by_macs = sorted(deepest, key=lambda p: deepest[p].macs or math.inf)
    by_time = sorted(deepest, key=lambda p: -_time(deepest[p]))
    rank = by_time.index("depthwise_bottleneck")
    verdict = (
        ClaimVerdict.HOLDS
        if by_macs[0] == "depthwise_bottleneck" and rank < len(by_time) // 2
        else ClaimVerdict.DOES_NOT_HOLD
    )
    here = f"fewest MACs: {spoken(by_macs[0])}; slowest first: {', '.join(spoken(p) for p in by_time)}"
    return Finding(verdict, None, here, f"{sweep.condition}, depth {sweep.values[-1]}")


def _time(cell: Cell) -> float:
    return cell.estimate.latency_s if cell.estimate else 0.0


CACHE_CLAIMS = (
    Claim(
        "fewer-misses",
        "Acceleration reduces last-level-cache misses in all cases.",
        _FIGURE,
        "fewer everywhere",
        "Every network over depth has fewer misses accelerated than natively.",
        _fewer,
    ),
    Claim(
        "depthwise-bottleneck-tenfold",
        "The misses of depthwise bottleneck drop by about an order of magnitude.",
        _FIGURE,
        "10 times fewer",
        f"Native over accelerated misses, geometric mean over depth, is within a factor of {NEAR} of 10.",
        _tenfold,
    ),
    Claim(
        "standard-less",
        "The misses of standard convolution are reduced too, though not to the same degree.",
        _FIGURE,
        "less",
        "Its reduction is smaller than that of depthwise bottleneck.",
        _standard_less,
    ),
    Claim(
        "depthwise-bottleneck-520",
        "With its cache misses gone, depthwise bottleneck gets about 520 % as fast.",
        _FIGURE,
        "5.2x",
        f"Its speedup at the greatest depth of that study is, interval and all, within a factor of {NEAR}.",
        _speedup_there,
    ),
    Claim(
        "fewer-misses-less-over-width",
        "Over width misses improve as well, but not to the degree that they do over depth.",
        "section 2.2, figure 4",
        "less",
        "The reduction, geometric mean over all patterns, is smaller over width than over depth.",
        _less_over_width,
    ),
    Claim(
        "macs-predict-over-width-only",
        "Operation counts predict latency over width and do not over depth.",
        "section 2.2, figures 1 and 2",
        "over width only",
        "Spearman's rho of MACs and native latency over width lies above that over depth, intervals apart.",
        _macs_predict,
    ),
    Claim(
        "fewest-macs-yet-slow",
        "Depthwise bottleneck needs the fewest multiply-adds, yet is among the slowest patterns natively.",
        "section 2.2",
        "among the slowest",
        "At the greatest depth and batch 1 it has the fewest MACs of six and is among the three slowest.",
        _lowest_macs_slow,
    ),
)
