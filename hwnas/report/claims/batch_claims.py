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
#: Time of an image in standard convolutions, natively [s]: batch -> what the study tells of it.
_TOLD = {1: 300e-3, 32: 500e-3}


def _batches(sweep: PatternSweep) -> tuple[int, list[int]]:
    """The smallest batch, and those that are compared with it."""
    small, *larger = sweep.batches
    if not larger:
        raise MissingEvidence(f"only one batch was measured; {sweep.note()}")
    return small, larger


def _speedup_growth(sweep: PatternSweep, pattern: str, small: int, large: int) -> Value:
    """Mean speedup of a batch over that of a smaller one, over all depths."""
    return mean_ratio(sweep.speedups(pattern, large), sweep.speedups(pattern, small))


def _per_image_growth(backend: str) -> Callable[[PatternSweep, str, int, int], Value]:
    """Time of an image in a batch over that in a smaller one, over all depths."""

    def growth(sweep: PatternSweep, pattern: str, small: int, large: int) -> Value:
        before, after = ([latency(c) for c in sweep.line(pattern, backend, b)] for b in (small, large))
        return mean_ratio(after, before)

    return growth


def _for_each_pattern(
    number: Callable[[PatternSweep, str, int, int], Value], bounds: Bounds
) -> Callable[[Evidence], Finding]:
    """A rule on a number of each pattern at each batch but the smallest, which it is compared with."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.depth_and_batch
        small, larger = _batches(sweep)
        parts = [
            Part(f"{spoken(p)}, batch {b}", number(sweep, p, small, b), bounds, Unit.TIMES)
            for p in STUDIED_PATTERNS
            for b in larger
        ]
        return judged(parts, sweep.note(f"each against batch {small}"))

    return rule


def _native_standard_number(evidence: Evidence) -> Finding:
    sweep = evidence.depth_and_batch
    small, large = _TOLD
    for batch in (small, large):
        if batch not in sweep.batches:
            raise MissingEvidence(f"no batch {batch} at all these depths; {sweep.note()}")
    found = _per_image_growth(NATIVE)(sweep, "standard", small, large)
    part = Part("standard", found, near(_TOLD[large] / _TOLD[small]), Unit.TIMES)
    return judged([part], sweep.note(f"batch {large} against {small}"))


BATCH_CLAIMS = (
    Claim(
        "speedup-grows-with-batch",
        "The gain from acceleration generally increases with the batch.",
        _PLACE,
        "grows",
        "For every pattern the mean speedup of each larger batch over that of the smallest lies above 1.",
        _for_each_pattern(_speedup_growth, above(1.0)),
    ),
    Claim(
        "native-slows-with-batch",
        "The native framework takes longer for an image as the batch grows.",
        _PLACE,
        "grows",
        "For every pattern the time of an image in each larger batch over that in the smallest lies above 1.",
        _for_each_pattern(_per_image_growth(NATIVE), above(1.0)),
    ),
    Claim(
        "native-standard-300-to-500",
        "An image takes standard convolutions 300 ms natively at batch 1 and 500 ms at batch 32.",
        _PLACE,
        "1.67x",
        f"The ratio of both times, mean over depth, is within a factor of {NEAR} of the study's value with the "
        "whole interval.",
        _native_standard_number,
    ),
    Claim(
        "accelerated-constant-over-batch",
        "Accelerated networks take a similar time for an image at every batch.",
        _PLACE,
        "1x",
        "For every pattern the time of an image in each larger batch over that in the smallest is within a "
        f"factor of {NEAR} of 1.",
        _for_each_pattern(_per_image_growth(ACCELERATED), near(1.0)),
    ),
)
