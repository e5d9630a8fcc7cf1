"""What the study says of cache misses (section 2.2, figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.report.claims.bounds import NEAR, ClaimVerdict, above, below, near
from hwnas.report.claims.combining import ratio
from hwnas.report.claims.evidence import PAPER_CACHE, Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.misses import MissKind, Reduction, counted_by, miss_kinds, preferred, reduction
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import DEEP, STUDIED_PATTERNS
from hwnas.report.claims.values import Value
from hwnas.report.claims.wording import spoken

_FIGURE = "section 2.2, figure 3"
_DEPTHWISE_BOTTLENECK = "depthwise_bottleneck"


class _Counts:
    """The misses of a study by the one source that is judged.

    Args:
        sweep: The study.
        kind: That source and its cache; None for the preferred one.

    Raises:
        MissingEvidence: It misses nothing.
    """

    def __init__(self, sweep: PatternSweep, kind: MissKind | None = None) -> None:
        self.sweep = sweep
        self.kind = kind or preferred(miss_kinds(sweep), PAPER_CACHE)
        self.all = reduction(sweep, self.kind, STUDIED_PATTERNS)
        if not (self.all.ratios or self.all.only_first or self.all.only_second):
            raise MissingEvidence(
                f"everything stays in the cache ({counted_by(self.kind)}): count with --cache paper"
            )

    def of(self, pattern: str) -> Reduction:
        """Of one pattern."""
        return reduction(self.sweep, self.kind, [pattern])

    def note(self, *found: Reduction) -> str:
        """The conditions, and what the means of these leave out."""
        texts = [self.sweep.note(counted_by(self.kind)), *(r.note() for r in found)]
        return "; ".join(dict.fromkeys(t for t in texts if t))


def _fewer(choose: Callable[[Evidence], PatternSweep]) -> Callable[[Evidence], Finding]:
    """A rule that every network of a study has fewer misses accelerated."""

    def rule(evidence: Evidence) -> Finding:
        counts = _Counts(choose(evidence))
        parts, note = counts.all.parts(), counts.note(counts.all)
        if not parts:
            none = Part("networks that miss more accelerated", Value.exact(0), below(1))
            return judged([none], note, here="no misses accelerated")
        finding = judged(parts, note)
        if finding.verdict is not ClaimVerdict.HOLDS:
            return finding
        means = {p: counts.of(p).mean for p in STUDIED_PATTERNS}
        texts = (f"{spoken(p)} {mean.text('x') if mean else 'no ratio'}" for p, mean in means.items())
        return judged(parts, note, here=f"native over accelerated: {'; '.join(texts)}")

    return rule


def _tenfold(evidence: Evidence) -> Finding:
    counts = _Counts(evidence.depth_misses)
    found = counts.of(_DEPTHWISE_BOTTLENECK)
    part = Part("depthwise bottleneck", found.known("depthwise bottleneck"), near(10.0), Unit.TIMES)
    return judged([part], counts.note(found), here=f"{part.value.text()} times fewer")


def _standard_less(evidence: Evidence) -> Finding:
    counts = _Counts(evidence.depth_misses)
    found = [counts.of(p) for p in ("standard", _DEPTHWISE_BOTTLENECK)]
    standard, bottleneck = found[0].known("standard"), found[1].known("depthwise bottleneck")
    parts = [
        Part("standard", standard, above(1.0), Unit.TIMES),
        Part("depthwise bottleneck over standard", ratio(bottleneck, standard), above(1.0), Unit.TIMES),
    ]
    here = f"{standard.text()} times fewer; depthwise bottleneck {bottleneck.text()}"
    return judged(parts, counts.note(*found), here=here)


def _speedup_there(evidence: Evidence) -> Finding:
    sweep = evidence.depth_misses
    found = sweep.speedup_at(_DEPTHWISE_BOTTLENECK, DEEP)
    part = Part("depthwise bottleneck", found, near(5.2), Unit.TIMES)
    return judged([part], sweep.note(f"depthwise bottleneck at depth {DEEP}"))


def _separable_similar(evidence: Evidence) -> Finding:
    counts = _Counts(evidence.depth_misses)
    sweep, patterns = counts.sweep, ("depthwise_separable", _DEPTHWISE_BOTTLENECK)
    found = [counts.of(p) for p in patterns]
    separable, bottleneck = (r.known(spoken(p)) for r, p in zip(found, patterns, strict=True))
    own, other = (sweep.speedup_at(p, sweep.values[-1]) for p in patterns)
    parts = [
        Part(
            "reduction of misses over depthwise bottleneck's",
            ratio(separable, bottleneck),
            near(1.0),
            Unit.TIMES,
        ),
        Part("speedup over depthwise bottleneck's", ratio(own, other), near(1.0), Unit.TIMES),
    ]
    here = (
        f"{separable.text()} times fewer misses and {own.text('x')}; depthwise bottleneck {bottleneck.text()} "
        f"and {other.text('x')}"
    )
    return judged(parts, f"{counts.note(*found)}; speedups at {sweep.at_greatest()}", here=here)


def _less_over_width(evidence: Evidence) -> Finding:
    sweeps = evidence.depth_misses, evidence.width_misses
    shared = miss_kinds(sweeps[0]) & miss_kinds(sweeps[1])
    if not shared:
        by_axis = (f"over {s.axis} {counted_by(preferred(miss_kinds(s), PAPER_CACHE))}" for s in sweeps)
        raise MissingEvidence(
            f"no source counted both studies on one cache ({'; '.join(by_axis)}): count both with --cache paper"
        )
    kind = preferred(shared, PAPER_CACHE)
    depth, width = (_Counts(sweep, kind) for sweep in sweeps)
    over_depth, over_width = (c.all.known(f"every pattern over {c.sweep.axis}") for c in (depth, width))
    parts = [
        Part("over width", over_width, above(1.0), Unit.TIMES),
        Part("over depth, over that over width", ratio(over_depth, over_width), above(1.0), Unit.TIMES),
    ]
    here = f"{over_width.text()} times fewer over width, {over_depth.text()} over depth"
    return judged(parts, f"depth: {depth.note(depth.all)}; width: {width.note(width.all)}", here=here)


MISS_CLAIMS = (
    Claim(
        "fewer-misses",
        "Acceleration reduces last-level-cache misses in all cases.",
        _FIGURE,
        "fewer everywhere",
        "Every network over depth that misses anything has fewer misses accelerated than natively.",
        _fewer(lambda evidence: evidence.depth_misses),
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
        "Its native over accelerated misses, geometric mean over depth, lie above 1 and below those of "
        "depthwise bottleneck.",
        _standard_less,
    ),
    Claim(
        "depthwise-bottleneck-520",
        "In the study of cache misses over depth, depthwise bottleneck gets about 520 % as fast.",
        _FIGURE,
        "5.2x",
        f"Its speedup at depth {DEEP} of that study is within a factor of {NEAR} of the study's value with the "
        "whole interval.",
        _speedup_there,
    ),
    Claim(
        "depthwise-separable-similar",
        "Similar improvements are seen for depthwise separable.",
        "section 2.2",
        "similar",
        f"Its reduction of misses, and its speedup at the greatest depth, are within a factor of {NEAR} of "
        "those of depthwise bottleneck.",
        _separable_similar,
    ),
    Claim(
        "fewer-misses-over-width",
        "Over width acceleration reduces last-level-cache misses in all cases as well.",
        "section 2.2, figure 4",
        "fewer everywhere",
        "Every network over width that misses anything has fewer misses accelerated than natively.",
        _fewer(lambda evidence: evidence.width_misses),
    ),
    Claim(
        "fewer-misses-less-over-width",
        "Over width misses improve as well, but not to the degree that they do over depth.",
        "section 2.2, figure 4",
        "less",
        "Native over accelerated misses by one source on one cache, geometric mean over all networks with "
        "misses on both, lie above 1 over width and below those over depth.",
        _less_over_width,
    ),
)
