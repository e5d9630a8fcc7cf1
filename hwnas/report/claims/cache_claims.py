"""What the study says of cache misses and operation counts (section 2.2, figures 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.report.cells import Cell
from hwnas.report.claims.evidence import PAPER_CACHE, Evidence, count, misses
from hwnas.report.claims.finding import NEAR, Claim, ClaimVerdict, Finding, near
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import MissKind, PatternSweep, preferred
from hwnas.report.claims.studied import ACCELERATED, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, geometric_mean, latency, ratio, speedup
from hwnas.report.claims.wording import spoken
from hwnas.report.context import plural
from hwnas.report.correlations import spearman

_FIGURE = "section 2.2, figure 3"


@dataclass(frozen=True)
class _Reduction:
    """Native over accelerated misses.

    Args:
        value: Geometric mean over the networks that miss anything; None where none does.
        none_missed: Networks that miss nothing on either arm.
        all_fewer: Whether every other network misses less accelerated.
    """

    value: Value | None
    none_missed: int
    all_fewer: bool


def _kind(sweep: PatternSweep) -> MissKind:
    kind = preferred(sweep.miss_kinds(), PAPER_CACHE)
    if not any(count(c, kind) for p in STUDIED_PATTERNS for c in sweep.line(p, NATIVE)):
        raise MissingEvidence(f"everything stays in the cache {kind[1]}: count with --cache paper")
    return kind


def _reduction(sweep: PatternSweep, names: Sequence[str], kind: MissKind) -> _Reduction:
    pairs = [
        pair for p in names for pair in zip(sweep.line(p, NATIVE), sweep.line(p, ACCELERATED), strict=True)
    ]
    missing = [(n, a) for n, a in pairs if count(n, kind) or count(a, kind)]
    ratios = [ratio(misses(n, kind), misses(a, kind)) for n, a in missing]
    return _Reduction(
        geometric_mean(ratios) if ratios else None,
        len(pairs) - len(missing),
        all(count(n, kind) > count(a, kind) for n, a in missing),
    )


def _known(found: _Reduction, what: str) -> Value:
    if found.value is None:
        raise MissingEvidence(f"{what} misses nothing on either backend: count on a smaller cache")
    return found.value


def _condition(sweep: PatternSweep, kind: MissKind, none_missed: int = 0) -> str:
    source, geometry = kind
    where = f" on {geometry}" if geometry else ""
    silent = (
        f"; {plural(none_missed, 'network')} without misses on either backend left out" if none_missed else ""
    )
    return f"{sweep.condition}; misses by {source}{where}{silent}"


def _fewer(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    kind = _kind(sweep)
    found = {p: _reduction(sweep, [p], kind) for p in STUDIED_PATTERNS}
    verdict = ClaimVerdict.HOLDS if all(r.all_fewer for r in found.values()) else ClaimVerdict.DOES_NOT_HOLD
    texts = (f"{spoken(p)} {r.value.text() if r.value else 'no misses'}" for p, r in found.items())
    silent = sum(r.none_missed for r in found.values())
    return Finding(
        verdict, None, f"native over accelerated: {'; '.join(texts)}", _condition(sweep, kind, silent)
    )


def _tenfold(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    kind = _kind(sweep)
    reduction = _reduction(sweep, ["depthwise_bottleneck"], kind)
    found = _known(reduction, "depthwise bottleneck")
    condition = _condition(sweep, kind, reduction.none_missed)
    return Finding(near(found, 10.0), found, f"{found.text()} times fewer", condition)


def _standard_less(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    kind = _kind(sweep)
    standard, bottleneck = (
        _known(_reduction(sweep, [p], kind), spoken(p)) for p in ("standard", "depthwise_bottleneck")
    )
    verdict = ClaimVerdict.HOLDS if standard.value < bottleneck.value else ClaimVerdict.DOES_NOT_HOLD
    here = f"{standard.text()} times fewer; depthwise bottleneck {bottleneck.text()}"
    return Finding(verdict, None, here, _condition(sweep, kind))


def _speedup_there(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    found = speedup(sweep.cell("depthwise_bottleneck", ACCELERATED, sweep.values[-1]))
    return Finding(near(found, 5.2), found, found.text("x"), f"{sweep.condition}, depth {sweep.values[-1]}")


def _less_over_width(evidence: Evidence) -> Finding:
    over, conditions = {}, []
    for axis, sweep in (("depth", evidence.depth_misses), ("width", evidence.width_misses)):
        kind = _kind(sweep)
        reduction = _reduction(sweep, STUDIED_PATTERNS, kind)
        over[axis] = _known(reduction, f"every pattern over {axis}")
        conditions.append(_condition(sweep, kind, reduction.none_missed))
    verdict = ClaimVerdict.HOLDS if over["width"].value < over["depth"].value else ClaimVerdict.DOES_NOT_HOLD
    here = f"{over['width'].text()} times fewer over width, {over['depth'].text()} over depth"
    return Finding(verdict, None, here, "; ".join(conditions))


def _macs_predict(evidence: Evidence) -> Finding:
    # At one depth the patterns differ in what they are; over width each is compared with itself as well.
    found = {
        axis: _rank_correlation([c for p in STUDIED_PATTERNS for c in sweep.line(p, NATIVE)])
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
    deepest = {p: sweep.cell(p, NATIVE, sweep.values[-1]) for p in STUDIED_PATTERNS}
    times = {p: latency(c) for p, c in deepest.items()}
    fewest = min(deepest, key=lambda p: deepest[p].macs or math.inf)
    own = times["depthwise_bottleneck"]
    surely_faster = sum(v.high < own.low for v in times.values())
    surely_slower = sum(v.low > own.high for v in times.values())
    half = len(times) // 2
    verdict = (
        ClaimVerdict.DOES_NOT_HOLD
        if fewest != "depthwise_bottleneck" or surely_slower >= half
        else ClaimVerdict.HOLDS
        if surely_faster >= half
        else ClaimVerdict.UNCLEAR
    )
    slowest_first = sorted(times, key=lambda p: -times[p].value)
    here = f"fewest MACs: {spoken(fewest)}; slowest first: {', '.join(map(spoken, slowest_first))}"
    return Finding(verdict, None, here, f"{sweep.condition}, depth {sweep.values[-1]}")


CACHE_CLAIMS = (
    Claim(
        "fewer-misses",
        "Acceleration reduces last-level-cache misses in all cases.",
        _FIGURE,
        "fewer everywhere",
        "Every network over depth that misses anything has fewer misses accelerated than natively.",
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
        "The reduction, geometric mean over all networks with misses, is smaller over width than over depth.",
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
        "At the greatest depth and batch 1 it has the fewest MACs, and three patterns are surely faster.",
        _lowest_macs_slow,
    ),
)
