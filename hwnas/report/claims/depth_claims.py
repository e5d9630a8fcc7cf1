"""What the study says of speedups over depth (abstract; section 2.1, figure 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hwnas.report.claims.bounds import NEAR, SIMILAR, above, near
from hwnas.report.claims.combining import combine, exponent, geometric_mean, ratio, spread
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.rivals import over_rivals, ranking
from hwnas.report.claims.studied import ACCELERATED, DEEP, DEPTHWISE, NATIVE, SHALLOW, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, digits, latency, speedup
from hwnas.report.claims.wording import spoken

_FIGURE = "section 2.1, figure 1"
_WITHIN = f"within a factor of {NEAR} of the study's value with the whole interval"
_DEEPEST = "At the greatest depth and the smallest batch"


def _every_speedup(sweep: PatternSweep, pattern: str) -> list[Value]:
    return [s for batch in sweep.batches for s in sweep.speedups(pattern, batch)]


def _average(evidence: Evidence) -> Finding:
    sweep = evidence.depth_and_batch
    every = [s for p in STUDIED_PATTERNS for s in _every_speedup(sweep, p)]
    mean = geometric_mean(every)
    part = Part("geometric mean", mean, near(3.8), Unit.TIMES)
    return judged([part], sweep.note(), here=f"{part.text} over {len(every)} networks")


def _universal(evidence: Evidence) -> Finding:
    sweep = evidence.depth_and_batch
    cells = [c for p in STUDIED_PATTERNS for b in sweep.batches for c in sweep.line(p, ACCELERATED, b)]
    return judged([Part(c.workload.label, speedup(c), above(1.0), Unit.TIMES) for c in cells], sweep.note())


def _varies(evidence: Evidence) -> Finding:
    sweep = evidence.depth_and_batch
    lines = {spoken(p): _every_speedup(sweep, p) for p in STUDIED_PATTERNS}
    part = Part("most over least", spread(list(lines.values())), above(SIMILAR), Unit.TIMES)
    return judged([part], sweep.note(), here=f"{part.text}; {ranking(lines)}")


def _deepest(sweep: PatternSweep) -> dict[str, list[Value]]:
    return {spoken(p): sweep.speedups(p)[-1:] for p in STUDIED_PATTERNS}


def _most(first: Sequence[str]) -> Callable[[Evidence], Finding]:
    """A rule that some patterns gain more at the greatest depth than every other one."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.depth
        lines = _deepest(sweep)
        return judged(
            over_rivals(lines, [spoken(p) for p in first]), sweep.note(sweep.at_greatest()), here=ranking(lines)
        )

    return rule


def _depthwise_bottleneck_number(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    found = sweep.speedup_at("depthwise_bottleneck", DEEP)
    part = Part("depthwise bottleneck", found, near(5.5), Unit.TIMES)
    return judged([part], sweep.note(f"depthwise bottleneck at depth {DEEP}"))


def _grows_with_depth(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    found = {p: exponent(sweep.values, sweep.speedups(p)) for p in STUDIED_PATTERNS}
    return judged([Part(spoken(p), v, above(0.0)) for p, v in found.items()], sweep.note())


def _gap_grows(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    parts, texts = [], []
    for pattern in STUDIED_PATTERNS:
        deep, shallow = (
            [latency(sweep.cell(pattern, arm, value)) for arm in (NATIVE, ACCELERATED)]
            for value in (sweep.values[-1], sweep.values[0])
        )
        gap, before, growth = _gap(deep), _gap(shallow), combine([*deep, *shallow], _growth_s, log=False)
        parts += [
            Part(f"{spoken(pattern)}, {sweep.at_greatest()}", gap, above(0.0), Unit.SECONDS),
            Part(f"{spoken(pattern)}, growth", growth, above(0.0), Unit.SECONDS),
        ]
        texts.append(f"{spoken(pattern)} {digits(before.value * 1e3)} to {digits(gap.value * 1e3)} ms")
    return judged(parts, sweep.note(), here="; ".join(texts))


def _gap(arms: Sequence[Value]) -> Value:
    """Native minus accelerated latency [s]."""
    return combine(arms, _gap_s, log=False)


def _gap_s(logs: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(logs[..., 0]) - np.exp(logs[..., 1]))


def _growth_s(logs: np.ndarray) -> np.ndarray:
    return np.asarray(_gap_s(logs[..., :2]) - _gap_s(logs[..., 2:]))


def _fifty_like_ten(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    found = ratio(
        latency(sweep.cell("depthwise_separable", ACCELERATED, DEEP)),
        latency(sweep.cell("depthwise_separable", NATIVE, SHALLOW)),
    )
    part = Part("deep accelerated over shallow native", found, near(1.0), Unit.TIMES)
    here = f"{DEEP} accelerated layers take {part.text} the time of {SHALLOW} native ones"
    return judged([part], sweep.note(), here=here)


DEPTH_CLAIMS = (
    Claim(
        "average-speedup",
        "Acceleration is on average 380 % as fast as the native framework.",
        "abstract",
        "3.8x",
        f"The geometric mean of all speedups over depth and batch is {_WITHIN}.",
        _average,
    ),
    Claim(
        "universal-speedup",
        "Acceleration improves the speed of every pattern at every depth.",
        _FIGURE,
        "faster everywhere",
        "Every interval of a speedup lies above 1; one that lies below refutes it.",
        _universal,
    ),
    Claim(
        "gain-varies-by-pattern",
        "The degree of speedup varies drastically depending on the design pattern.",
        "abstract; section 2.1",
        "drastically",
        f"The largest of the patterns' mean speedups over depth and batch is above {SIMILAR:g} times the "
        "smallest.",
        _varies,
    ),
    Claim(
        "depthwise-bottleneck-most",
        "Depthwise bottleneck is accelerated the most of the six patterns.",
        "abstract; figure 1",
        "the most",
        f"{_DEEPEST} its speedup over that of every other pattern lies above 1.",
        _most(["depthwise_bottleneck"]),
    ),
    Claim(
        "depthwise-separable-most",
        "Depthwise separable shows the greatest level of speedup. (The abstract says so of depthwise "
        "bottleneck: one of the two claims at most can hold.)",
        "section 2.1",
        "the most",
        f"{_DEEPEST} its speedup over that of every other pattern lies above 1.",
        _most(["depthwise_separable"]),
    ),
    Claim(
        "depthwise-most",
        "Depthwise bottleneck and depthwise separable are accelerated the most, especially when deep.",
        "section 3",
        "these two",
        f"{_DEEPEST} the speedup of both over that of each of the other four patterns lies above 1.",
        _most(DEPTHWISE),
    ),
    Claim(
        "depthwise-bottleneck-550",
        "Depthwise bottleneck is accelerated by about 550 % with 50 layers.",
        "abstract; figure 1",
        "5.5x",
        f"Its speedup at depth {DEEP} and the smallest batch is {_WITHIN}.",
        _depthwise_bottleneck_number,
    ),
    Claim(
        "speedup-grows-with-depth",
        "The gain from acceleration increases with depth for all patterns.",
        _FIGURE,
        "grows",
        "For every pattern the k of speedup = c depth^k at the smallest batch lies above 0; below for one "
        "refutes it.",
        _grows_with_depth,
    ),
    Claim(
        "gap-grows-with-depth",
        "The time between native and accelerated inference increases with depth.",
        _FIGURE,
        "grows",
        "For every pattern at the smallest batch, native minus accelerated latency at the greatest depth lies "
        "above 0, and above that at the least depth; one that lies below either refutes it.",
        _gap_grows,
    ),
    Claim(
        "fifty-like-ten",
        "50 accelerated layers of depthwise separable convolution take as long as 10 native ones.",
        "section 2.1",
        "1x",
        f"Their ratio at the smallest batch is within a factor of {NEAR} of 1 with the whole interval.",
        _fifty_like_ten,
    ),
)
