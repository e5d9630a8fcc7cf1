"""What the study says of batches (section 2.1, figure 1)."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.report.claims.bounds import NEAR, Bounds, above, near
from hwnas.report.claims.combining import mean_ratio
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import ACCELERATED, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, latency
from hwnas.report.claims.wording import spoken

_PLACE = "section 2.1"


def _batches(sweep: PatternSweep) -> tuple[int, int]:
    if len(sweep.batches) < 2:
        raise MissingEvidence(f"only one batch was measured; {sweep.note()}")
    return sweep.batches[0], sweep.batches[-1]


def _speedup_growth(sweep: PatternSweep, pattern: str) -> Value:
    """Mean speedup of the largest batch over that of the smallest, over all depths."""
    small, large = (sweep.speedups(pattern, b) for b in _batches(sweep))
    return mean_ratio(large, small)


def _per_image_growth(sweep: PatternSweep, pattern: str, backend: str) -> Value:
    """Time of an image in the largest batch over that in the smallest, over all depths."""
    small, large = ([latency(c) for c in sweep.line(pattern, backend, b)] for b in _batches(sweep))
    return mean_ratio(large, small)


def _note(sweep: PatternSweep) -> str:
    small, large = _batches(sweep)
    return sweep.note(f"batch {large} against {small}")


def _for_each_pattern(
    number: Callable[[PatternSweep, str], Value], bounds: Bounds
) -> Callable[[Evidence], Finding]:
    """A rule on a number of each pattern."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.depth_and_batch
        parts = [Part(spoken(p), number(sweep, p), bounds, Unit.TIMES) for p in STUDIED_PATTERNS]
        return judged(parts, _note(sweep))

    return rule


def _native_standard_number(evidence: Evidence) -> Finding:
    sweep = evidence.depth_and_batch
    found = _per_image_growth(sweep, "standard", NATIVE)
    return judged([Part("standard", found, near(500 / 300), Unit.TIMES)], _note(sweep))


BATCH_CLAIMS = (
    Claim(
        "speedup-grows-with-batch",
        "The gain from acceleration generally increases with the batch.",
        _PLACE,
        "grows",
        "For every pattern the mean speedup of the largest batch over that of the smallest lies above 1.",
        _for_each_pattern(_speedup_growth, above(1.0)),
    ),
    Claim(
        "native-slows-with-batch",
        "The native framework takes longer for an image as the batch grows.",
        _PLACE,
        "grows",
        "For every pattern the time of an image in the largest batch over that in the smallest lies above 1.",
        _for_each_pattern(lambda sweep, p: _per_image_growth(sweep, p, NATIVE), above(1.0)),
    ),
    Claim(
        "native-standard-300-to-500",
        "An image takes standard convolutions 300 ms natively at batch 1 and 500 ms at batch 32.",
        _PLACE,
        "1.67x",
        f"The ratio of both times is within a factor of {NEAR} of the study's value with the whole interval.",
        _native_standard_number,
    ),
    Claim(
        "accelerated-constant-over-batch",
        "Accelerated networks take a similar time for an image at every batch.",
        _PLACE,
        "1x",
        f"For every pattern the ratio of the largest to the smallest batch is within a factor of {NEAR} of 1.",
        _for_each_pattern(lambda sweep, p: _per_image_growth(sweep, p, ACCELERATED), near(1.0)),
    ),
)
