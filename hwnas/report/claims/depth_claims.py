"""What the study says of depth and batch (section 2.1, figure 1)."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import (
    NEAR,
    Claim,
    ClaimVerdict,
    Finding,
    above,
    all_hold,
    below,
    near,
)
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import ACCELERATED, GPU, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, combine, exponent, geometric_mean, latency, ratio, speedup
from hwnas.report.claims.wording import listed, spoken

_FIGURE = "section 2.1, figure 1"
_WITHIN = f"within a factor of {NEAR} of the study's value with the whole interval"


def _average(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    every = [s for p in STUDIED_PATTERNS for b in sweep.batches for s in sweep.speedups(p, b)]
    mean = geometric_mean(every)
    return Finding(near(mean, 3.8), mean, f"{mean.text('x')} over {len(every)} networks", sweep.condition)


def _universal(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    slower: list[str] = []
    open_: list[str] = []
    for pattern in STUDIED_PATTERNS:
        for batch in sweep.batches:
            for cell in sweep.line(pattern, ACCELERATED, batch):
                verdict = above(speedup(cell), 1.0)
                bad = {ClaimVerdict.DOES_NOT_HOLD: slower, ClaimVerdict.UNCLEAR: open_}.get(verdict)
                if bad is not None:
                    bad.append(cell.workload.label)
    parts = [f"{word}: {listed(names)}" for word, names in (("slower", slower), ("open", open_)) if names]
    here = "; ".join(parts) or "faster in every network"
    verdict = ClaimVerdict.DOES_NOT_HOLD if slower else ClaimVerdict.UNCLEAR if open_ else ClaimVerdict.HOLDS
    return Finding(verdict, None, here, sweep.condition)


def _deepest(sweep: PatternSweep) -> dict[str, Value]:
    return {p: sweep.speedups(p)[-1] for p in STUDIED_PATTERNS}


def _depthwise_bottleneck_most(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    deepest = _deepest(sweep)
    first = deepest.pop("depthwise_bottleneck")
    name, rival = max(deepest.items(), key=lambda item: item[1].value)
    margin = ratio(first, rival)
    here = f"{first.text('x')}; {spoken(name)} {rival.text('x')}"
    return Finding(above(margin, 1.0), margin, here, f"{sweep.condition}, depth {sweep.values[-1]}")


def _depthwise_bottleneck_number(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    found = _deepest(sweep)["depthwise_bottleneck"]
    return Finding(near(found, 5.5), found, found.text("x"), f"{sweep.condition}, depth {sweep.values[-1]}")


def _grows_with_depth(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    return _for_each_pattern(
        lambda p: exponent(sweep.values, sweep.speedups(p)), lambda v: above(v, 0.0), sweep.condition
    )


def _gap_grows(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    verdicts, texts = [], []
    for pattern in STUDIED_PATTERNS:
        gaps = []
        for value in (sweep.values[0], sweep.values[-1]):
            native, fast = (latency(sweep.cell(pattern, b, value)) for b in (NATIVE, ACCELERATED))
            # Of a difference, the ends of both intervals put together: no narrower than it is.
            gaps.append((native.low - fast.high, native.value - fast.value, native.high - fast.low))
        (low0, mid0, high0), (low1, mid1, high1) = gaps
        verdicts.append(
            ClaimVerdict.HOLDS
            if low1 > max(high0, 0.0)
            else ClaimVerdict.DOES_NOT_HOLD
            if high1 < low0 or high1 < 0
            else ClaimVerdict.UNCLEAR
        )
        texts.append(f"{spoken(pattern)} {mid0 * 1e3:.3g} to {mid1 * 1e3:.3g} ms")
    return Finding(all_hold(verdicts), None, "; ".join(texts), sweep.condition)


def _fifty_like_ten(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    deep, shallow = sweep.values[-1], sweep.values[0]
    found = ratio(
        latency(sweep.cell("depthwise_separable", ACCELERATED, deep)),
        latency(sweep.cell("depthwise_separable", NATIVE, shallow)),
    )
    here = f"{deep} accelerated layers take {found.text()} of the time of {shallow} native ones"
    return Finding(below(found, NEAR), found, here, sweep.condition)


def _grows_with_batch(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    small, large = _batches(sweep)
    return _for_each_pattern(
        lambda p: ratio(geometric_mean(sweep.speedups(p, large)), geometric_mean(sweep.speedups(p, small))),
        lambda v: above(v, 1.0),
        f"{sweep.condition}, batch {large} against {small}",
    )


def _batches(sweep: PatternSweep) -> tuple[int, int]:
    if len(sweep.batches) < 2:
        raise MissingEvidence("only one batch was measured")
    return sweep.batches[0], sweep.batches[-1]


def _per_image_growth(sweep: PatternSweep, pattern: str, backend: str) -> Value:
    """Time of an image in the largest batch over that in the smallest, over all depths."""
    small, large = (
        geometric_mean([latency(c) for c in sweep.line(pattern, backend, b)]) for b in _batches(sweep)
    )
    return ratio(large, small)


def _growth(backend: str, judge: Callable[[Value], ClaimVerdict]) -> Callable[[Evidence], Finding]:
    """A rule on what an image takes in the largest batch, over what it takes in the smallest."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.depth
        small, large = _batches(sweep)
        return _for_each_pattern(
            lambda p: _per_image_growth(sweep, p, backend),
            judge,
            f"{sweep.condition}, batch {large} against {small}",
        )

    return rule


def _native_standard_number(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    small, large = _batches(sweep)
    found = _per_image_growth(sweep, "standard", NATIVE)
    return Finding(
        near(found, 500 / 300), found, found.text("x"), f"{sweep.condition}, batch {large} against {small}"
    )


def _gpu_fastest(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    return _for_each_pattern(
        lambda p: combine(
            [
                latency(c)
                for pair in zip(sweep.line(p, ACCELERATED), sweep.line(p, GPU), strict=True)
                for c in pair
            ],
            lambda logs: (logs[..., ::2] - logs[..., 1::2]).mean(axis=-1),
        ),
        lambda v: above(v, 1.0),
        sweep.condition,
    )


def _for_each_pattern(
    number: Callable[[str], Value], judge: Callable[[Value], ClaimVerdict], condition: str
) -> Finding:
    found = {p: number(p) for p in STUDIED_PATTERNS}
    here = "; ".join(f"{spoken(p)} {v.text()}" for p, v in found.items())
    return Finding(all_hold([judge(v) for v in found.values()]), None, here, condition)


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
        "depthwise-bottleneck-most",
        "Depthwise bottleneck is accelerated the most of the six patterns.",
        "abstract; figure 1",
        "the most",
        "At the greatest depth and batch 1 its speedup over that of the next pattern lies above 1.",
        _depthwise_bottleneck_most,
    ),
    Claim(
        "depthwise-bottleneck-550",
        "Depthwise bottleneck is accelerated by about 550 % with 50 layers.",
        "abstract; figure 1",
        "5.5x",
        f"Its speedup at the greatest depth and batch 1 is {_WITHIN}.",
        _depthwise_bottleneck_number,
    ),
    Claim(
        "speedup-grows-with-depth",
        "The gain from acceleration increases with depth for all patterns.",
        _FIGURE,
        "grows",
        "For every pattern the k of speedup = c depth^k at batch 1 lies above 0; below for one refutes it.",
        _grows_with_depth,
    ),
    Claim(
        "gap-grows-with-depth",
        "The time between native and accelerated inference increases with depth.",
        _FIGURE,
        "grows",
        "For every pattern native minus accelerated latency is larger at the greatest depth than at the least.",
        _gap_grows,
    ),
    Claim(
        "fifty-like-ten",
        "50 accelerated layers of depthwise separable convolution take as long as 10 native ones.",
        "section 2.1",
        "1",
        f"Their ratio lies below {NEAR}.",
        _fifty_like_ten,
    ),
    Claim(
        "speedup-grows-with-batch",
        "The gain from acceleration generally increases with the batch.",
        "section 2.1",
        "grows",
        "For every pattern the mean speedup of the largest batch over that of the smallest lies above 1.",
        _grows_with_batch,
    ),
    Claim(
        "native-slows-with-batch",
        "The native framework takes longer for an image as the batch grows.",
        "section 2.1",
        "grows",
        "For every pattern the time of an image in the largest batch over that in the smallest lies above 1.",
        _growth(NATIVE, lambda v: above(v, 1.0)),
    ),
    Claim(
        "native-standard-300-to-500",
        "An image takes standard convolutions 300 ms natively at batch 1 and 500 ms at batch 32.",
        "section 2.1",
        "1.67x",
        f"The ratio of both times is {_WITHIN}.",
        _native_standard_number,
    ),
    Claim(
        "accelerated-constant-over-batch",
        "Accelerated networks take a similar time for an image at every batch.",
        "section 2.1",
        "1x",
        f"For every pattern the ratio of the largest to the smallest batch is within a factor of {NEAR} of 1.",
        _growth(ACCELERATED, lambda v: near(v, 1.0)),
    ),
    Claim(
        "gpu-fastest",
        "The integrated GPU gives the greatest gains.",
        _FIGURE,
        "faster than the CPU",
        "For every pattern the accelerated CPU's latency over the GPU's lies above 1.",
        _gpu_fastest,
    ),
)
