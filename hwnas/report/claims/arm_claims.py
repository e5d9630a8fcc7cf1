"""What the study says of the integrated GPU and of 16 bits (sections 2 to 2.2)."""

from __future__ import annotations

from hwnas.report.claims.bounds import NEAR, NO_GAIN, above, below, near
from hwnas.report.claims.combining import exponent_difference, geometric_mean, mean_ratio, ratio
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged, together
from hwnas.report.claims.misses import counted_by, miss_kinds, preferred, reduction
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import ACCELERATED, FLAT, GPU, HALF, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, latency
from hwnas.report.claims.wording import spoken

_ARMS = (ACCELERATED, GPU)
_MOST_PATTERNS = 4


def _times(sweep: PatternSweep, pattern: str, arm: str) -> list[Value]:
    return [latency(c) for c in sweep.line(pattern, arm)]


def _over_gpu(sweep: PatternSweep, pattern: str) -> Value:
    """Latency of the accelerated CPU over the GPU's, mean over all values."""
    return mean_ratio(_times(sweep, pattern, ACCELERATED), _times(sweep, pattern, GPU))


def _gpu_fastest(evidence: Evidence) -> Finding:
    sweep = evidence.largest("depth", _ARMS)
    parts = [Part(spoken(p), _over_gpu(sweep, p), above(1.0), Unit.TIMES) for p in STUDIED_PATTERNS]
    return judged(parts, sweep.note())


def _wide_standard(evidence: Evidence) -> Finding:
    sweep = evidence.largest("width", _ARMS)
    cpu, gpu = (_times(sweep, "standard", arm) for arm in _ARMS)
    parts = [
        Part(f"CPU over GPU at {sweep.at_greatest()}", ratio(cpu[-1], gpu[-1]), above(1.0), Unit.TIMES),
        Part("exponent of the CPU minus the GPU's", exponent_difference(sweep.values, cpu, gpu), above(0.0)),
    ]
    return judged(parts, sweep.note())


def _on_par(evidence: Evidence) -> Finding:
    sweep = evidence.largest("width", _ARMS)
    parts = [Part(spoken(p), _over_gpu(sweep, p), near(1.0), Unit.TIMES) for p in FLAT]
    return judged(parts, sweep.note())


def _misses_more_yet_faster(evidence: Evidence) -> Finding:
    sweep = evidence.with_misses("depth", _ARMS)
    kind = preferred(miss_kinds(sweep), "")
    found = {p: reduction(sweep, kind, [p], GPU, ACCELERATED) for p in STUDIED_PATTERNS}
    more = [
        Part(f"misses of {spoken(p)}, GPU over CPU", mean, above(1.0), Unit.TIMES)
        for p, r in found.items()
        if (mean := r.mean) is not None
    ]
    if len(more) < _MOST_PATTERNS:
        raise MissingEvidence("most patterns have no misses on the CPU or the GPU: count on a smaller cache")
    faster = [
        Part(f"latency of {spoken(p)}, CPU over GPU", _over_gpu(sweep, p), above(1.0), Unit.TIMES)
        for p in STUDIED_PATTERNS
    ]
    without = reduction(sweep, kind, STUDIED_PATTERNS, GPU, ACCELERATED).note()
    note = "; ".join(filter(None, (sweep.note(counted_by(kind)), without)))
    return together(judged(more, note, least=_MOST_PATTERNS), judged(faster, note))


def _sixteen_bits(evidence: Evidence) -> Finding:
    if all(c.backend != HALF for c in evidence.selection().cells):
        raise MissingEvidence(
            f"no backend {HALF}: hwnas runs OpenVINO on the CPU in 32 bits alone; one that is added under this "
            "id, and measured over depth, is judged"
        )
    arms = (ACCELERATED, HALF)
    sweep = evidence.largest("depth", arms, ACCELERATED)
    parts = [
        Part(spoken(p), geometric_mean(sweep.speedups(p, backend=HALF)), below(NO_GAIN), Unit.TIMES)
        for p in STUDIED_PATTERNS
    ]
    return judged(parts, sweep.note())


ARM_CLAIMS = (
    Claim(
        "gpu-fastest",
        "The integrated GPU gives the greatest gains.",
        "section 2.1, figure 1",
        "faster than the CPU",
        "For every pattern the accelerated CPU's latency over the GPU's, mean over depth, lies above 1.",
        _gpu_fastest,
    ),
    Claim(
        "wide-standard-needs-gpu",
        "Standard convolution requires the GPU to scale well with width.",
        "section 2.1, figure 2",
        "the GPU scales better",
        "The accelerated CPU's latency over the GPU's at the greatest width lies above 1, and the k of latency "
        "= c width^k on the CPU above that on the GPU.",
        _wide_standard,
    ),
    Claim(
        "depthwise-on-par-with-gpu",
        "Depthwise separable, depthwise bottleneck and grouped convolution on the accelerated CPU are on par "
        "with the GPU.",
        "section 2.1, figure 2",
        "1x",
        "For each of the three, the CPU's latency over the GPU's, mean over width, is within a factor of "
        f"{NEAR} of 1.",
        _on_par,
    ),
    Claim(
        "gpu-misses-more-yet-faster",
        "The GPU makes less of the last-level cache than the CPU for most patterns, and still has the lower "
        "latency.",
        "section 2.2, figure 3",
        "more misses, faster",
        f"For at least {_MOST_PATTERNS} of six patterns the GPU's misses over the accelerated CPU's lie above "
        "1, and for all six the CPU's latency over the GPU's, both means over depth. On the GPU misses are "
        "what the memory controller transfers.",
        _misses_more_yet_faster,
    ),
    Claim(
        "sixteen-bit-no-gain",
        "16 bits give no speedup on the CPU.",
        "section 2",
        "none",
        f"For every pattern the mean speedup over depth of {HALF} over {ACCELERATED} lies below {NO_GAIN:g}.",
        _sixteen_bits,
    ),
)
