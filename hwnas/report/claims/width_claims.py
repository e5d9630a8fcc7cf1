"""What the study says of width (section 2.1, figure 2)."""

from __future__ import annotations

from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import NEAR, Claim, ClaimVerdict, Finding, above, all_hold, below
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import ACCELERATED, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, combine, exponent, latency, ratio, speedup
from hwnas.report.claims.wording import spoken

_FIGURE = "section 2.1, figure 2"
#: "In general, all design patterns perform similarly with a narrow channel width."
_SIMILAR = 2.0
_STEEP = ("standard", "factorized", "bottleneck")
_FLAT = ("depthwise_separable", "depthwise_bottleneck", "grouped")


def _at(sweep: PatternSweep, backend: str, value: int) -> dict[str, Value]:
    return {p: latency(sweep.cell(p, backend, value)) for p in STUDIED_PATTERNS}


def _universal(evidence: Evidence) -> Finding:
    sweep = evidence.width
    found = {
        f"{spoken(p)} at {value}": v
        for p in STUDIED_PATTERNS
        for value, v in zip(sweep.values, sweep.speedups(p), strict=True)
    }
    verdicts = [above(v, 1.0) for v in found.values()]
    name, least = min(found.items(), key=lambda item: item[1].value)
    return Finding(all_hold(verdicts), None, f"least for {name}: {least.text('x')}", sweep.condition)


def _bottleneck_worst(evidence: Evidence) -> Finding:
    sweep = evidence.width
    verdicts, texts = [], []
    for backend in (NATIVE, ACCELERATED):
        widest = _at(sweep, backend, sweep.values[-1])
        margin = ratio(widest["bottleneck"], widest["standard"])
        verdicts.append(above(margin, 1.0))
        texts.append(f"{backend} {margin.text('x')}")
    condition = f"{sweep.condition}, width {sweep.values[-1]}"
    return Finding(all_hold(verdicts), None, "bottleneck over standard: " + "; ".join(texts), condition)


def _narrow_alike(evidence: Evidence) -> Finding:
    sweep = evidence.width
    narrow = list(_at(sweep, ACCELERATED, sweep.values[0]).values())
    spread = combine(narrow, lambda logs: logs.max(axis=-1) - logs.min(axis=-1))
    here = f"the slowest takes {spread.text()} times as long as the fastest"
    return Finding(below(spread, _SIMILAR), spread, here, f"{sweep.condition}, width {sweep.values[0]}")


def _two_families(evidence: Evidence) -> Finding:
    sweep = evidence.width
    found = {
        p: exponent(sweep.values, [latency(c) for c in sweep.line(p, ACCELERATED)]) for p in STUDIED_PATTERNS
    }
    least_steep = min((found[p] for p in _STEEP), key=lambda v: v.value)
    most_flat = max((found[p] for p in _FLAT), key=lambda v: v.value)
    verdict = (
        ClaimVerdict.HOLDS
        if least_steep.low > most_flat.high
        else ClaimVerdict.DOES_NOT_HOLD
        if least_steep.high < most_flat.low
        else ClaimVerdict.UNCLEAR
    )
    here = "exponents of latency over width: " + "; ".join(f"{spoken(p)} {v.text()}" for p, v in found.items())
    return Finding(verdict, None, here, sweep.condition)


def _standard_not_improved(evidence: Evidence) -> Finding:
    sweep = evidence.width
    found = speedup(sweep.cell("standard", ACCELERATED, sweep.values[-1]))
    condition = f"{sweep.condition}, width {sweep.values[-1]}"
    return Finding(below(found, NEAR), found, found.text("x"), condition)


WIDTH_CLAIMS = (
    Claim(
        "universal-speedup-over-width",
        "Acceleration improves the speed of every pattern at every width.",
        _FIGURE,
        "faster everywhere",
        "Every interval of a speedup lies above 1; one that lies below refutes it.",
        _universal,
    ),
    Claim(
        "bottleneck-worst-over-width",
        "Bottleneck convolution scales poorly with width, worse even than standard convolution.",
        _FIGURE,
        "slower than standard",
        "At the greatest width bottleneck over standard latency lies above 1, natively and accelerated.",
        _bottleneck_worst,
    ),
    Claim(
        "narrow-alike",
        "All patterns perform similarly with a narrow width.",
        _FIGURE,
        "similar",
        f"At the least width, accelerated, the slowest takes under {_SIMILAR:g} times as long as the fastest.",
        _narrow_alike,
    ),
    Claim(
        "two-families-over-width",
        "Depthwise separable, depthwise bottleneck and grouped convolution grow more slowly with width than "
        "standard, factorized and bottleneck convolution.",
        _FIGURE,
        "almost linear against steeper",
        "Accelerated latency = c width^k: the least k of the second three is above the greatest of the first.",
        _two_families,
    ),
    Claim(
        "standard-not-improved-when-wide",
        "Acceleration on the CPU does not improve wide standard convolutions significantly.",
        _FIGURE,
        "hardly",
        f"The speedup of standard convolution at the greatest width lies below {NEAR}.",
        _standard_not_improved,
    ),
)
