"""What the study says of width (section 2.1, figure 2; section 2.2, figure 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hwnas.report.claims.bounds import NEAR, SIMILAR, above, below, near
from hwnas.report.claims.combining import exponent, exponent_difference, ratio, spread
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.rivals import over_rivals, ranking
from hwnas.report.claims.studied import ACCELERATED, DEPTHWISE, FLAT, NATIVE, STEEP, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, latency, speedup
from hwnas.report.claims.wording import spoken

_FIGURE = "section 2.1, figure 2"


def _times(sweep: PatternSweep, pattern: str, arm: str = ACCELERATED) -> list[Value]:
    return [latency(c) for c in sweep.line(pattern, arm)]


def _universal(evidence: Evidence) -> Finding:
    sweep = evidence.width
    cells = [c for p in STUDIED_PATTERNS for c in sweep.line(p, ACCELERATED)]
    return judged([Part(c.workload.label, speedup(c), above(1.0), Unit.TIMES) for c in cells], sweep.note())


def _bottleneck_worst(evidence: Evidence) -> Finding:
    sweep = evidence.width
    parts = []
    for arm in (NATIVE, ACCELERATED):
        own, other = (_times(sweep, p, arm) for p in ("bottleneck", "standard"))
        parts += [
            Part(
                f"over standard on {arm} at {sweep.at_greatest()}",
                ratio(own[-1], other[-1]),
                above(1.0),
                Unit.TIMES,
            ),
            Part(
                f"exponent minus standard's on {arm}", exponent_difference(sweep.values, own, other), above(0.0)
            ),
        ]
    convention = (
        "width counts the channels of the spatial convolution, and a bottleneck has four times as many outside"
    )
    return judged(parts, f"{sweep.note()}; {convention}")


def _narrow_alike(evidence: Evidence) -> Finding:
    sweep = evidence.width
    narrow = [_times(sweep, p)[:1] for p in STUDIED_PATTERNS]
    part = Part("slowest over fastest", spread(narrow), below(SIMILAR), Unit.TIMES)
    here = f"the slowest takes {part.value.text()} times as long as the fastest"
    return judged([part], sweep.note(f"width {sweep.values[0]}"), here=here)


def _exponents(sweep: PatternSweep, patterns: Sequence[str]) -> dict[str, Value]:
    """Pattern -> the k of accelerated latency = c width^k."""
    return {p: exponent(sweep.values, _times(sweep, p)) for p in patterns}


def _two_families(evidence: Evidence) -> Finding:
    sweep = evidence.width
    parts = [
        Part(
            f"{spoken(steep)} minus {spoken(flat)}",
            exponent_difference(sweep.values, _times(sweep, steep), _times(sweep, flat)),
            above(0.0),
        )
        for steep in STEEP
        for flat in FLAT
    ]
    found = _exponents(sweep, STUDIED_PATTERNS)
    here = "exponents of latency over width: " + "; ".join(f"{spoken(p)} {v.text()}" for p, v in found.items())
    return judged(parts, sweep.note(), here=here)


def _growing_like(patterns: Sequence[str], paper: float) -> Callable[[Evidence], Finding]:
    """A rule on the exponents of some patterns."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.width
        found = _exponents(sweep, patterns)
        return judged([Part(spoken(p), v, near(paper)) for p, v in found.items()], sweep.note())

    return rule


def _standard_not_improved(evidence: Evidence) -> Finding:
    sweep = evidence.width
    part = Part("standard", sweep.speedups("standard")[-1], below(NEAR), Unit.TIMES)
    return judged([part], sweep.note(sweep.at_greatest()))


def _depthwise_most(evidence: Evidence) -> Finding:
    sweep = evidence.width
    lines = {spoken(p): sweep.speedups(p) for p in STUDIED_PATTERNS}
    return judged(over_rivals(lines, [spoken(p) for p in DEPTHWISE]), sweep.note(), here=ranking(lines))


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
        "depthwise-most-over-width",
        "Over width depthwise bottleneck and depthwise separable have the highest speedups.",
        "section 2.2, figure 4",
        "these two",
        "The mean speedup over width of both over that of each of the other four patterns lies above 1.",
        _depthwise_most,
    ),
    Claim(
        "bottleneck-worst-over-width",
        "Bottleneck convolution scales poorly with width, worse even than standard convolution.",
        _FIGURE,
        "slower and steeper than standard",
        "Natively and accelerated, bottleneck over standard latency at the greatest width lies above 1, and "
        "the k of latency = c width^k above that of standard.",
        _bottleneck_worst,
    ),
    Claim(
        "narrow-alike",
        "All patterns perform similarly with a narrow width.",
        _FIGURE,
        "similar",
        f"At the least width, accelerated, the slowest takes under {SIMILAR:g} times as long as the fastest.",
        _narrow_alike,
    ),
    Claim(
        "two-families-over-width",
        "Depthwise separable, depthwise bottleneck and grouped convolution grow more slowly with width than "
        "standard, factorized and bottleneck convolution.",
        _FIGURE,
        "almost linear against steeper",
        "Accelerated latency = c width^k: each k of the second three lies above each of the first.",
        _two_families,
    ),
    Claim(
        "almost-linear-over-width",
        "Depthwise separable, depthwise bottleneck and grouped convolution stay almost linear in width.",
        _FIGURE,
        "k of 1",
        f"Accelerated latency = c width^k: the k of each of the three is within a factor of {NEAR} of 1.",
        _growing_like(FLAT, 1.0),
    ),
    Claim(
        "square-root-over-width",
        "Standard, factorized and bottleneck convolution scale with roughly the square root of the width. "
        "(Read as: the width that a given time allows, so that latency grows with the square of width; the "
        "other reading would make them grow more slowly than the rest, which the same paragraph denies.)",
        _FIGURE,
        "k of 2",
        f"Accelerated latency = c width^k: the k of each of the three is within a factor of {NEAR} of 2.",
        _growing_like(STEEP, 2.0),
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
