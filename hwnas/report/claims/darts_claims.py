"""What the study says of the network that DARTS found (abstract; section 2.3, figure 5)."""

from __future__ import annotations

from collections.abc import Callable

from hwnas.report.claims.bounds import NEAR, below, near
from hwnas.report.claims.combining import ratio
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged
from hwnas.report.claims.network_claims import NETWORKS
from hwnas.report.claims.rivals import over_rivals, ranking
from hwnas.report.claims.studied import FORCED, NATIVE, PAPER_ERA

_DARTS = "darts"
_MOST_TOLD = 3


def _most(evidence: Evidence) -> Finding:
    found = evidence.networks(NETWORKS)
    lines = {n: [v] for n, v in found.speedups(NATIVE).items()}
    here = f"{ranking({_DARTS: lines[_DARTS]})}; most of all: {ranking(lines, _MOST_TOLD)}"
    return judged(over_rivals(lines, [_DARTS]), found.note(), here=here)


def _twelvefold(baseline: str) -> Callable[[Evidence], Finding]:
    """A rule that the speedup over an arm is the study's."""

    def rule(evidence: Evidence) -> Finding:
        found = evidence.networks([_DARTS], [baseline])
        part = Part(_DARTS, found.speedups(baseline)[_DARTS], near(12.0), Unit.TIMES)
        return judged([part], found.note(f"against {baseline}"))

    return rule


def _reduced(evidence: Evidence) -> Finding:
    found = evidence.networks([_DARTS], [PAPER_ERA, FORCED])
    before, after = (found.speedups(baseline)[_DARTS] for baseline in (PAPER_ERA, FORCED))
    reduced = ratio(after, before)
    parts = [
        Part(f"over {FORCED}", after, near(5.0), Unit.TIMES),
        Part(f"that over the speedup over {PAPER_ERA}", reduced, below(1.0), Unit.TIMES),
    ]
    here = f"{after.text('x')} with oneDNN forced, {before.text('x')} before: times {reduced.text()}"
    return judged(parts, found.note(f"against {FORCED} and {PAPER_ERA}"), here=here)


DARTS_CLAIMS = (
    Claim(
        "darts-most",
        "The network that DARTS found gains the most.",
        "abstract; figure 5",
        "the most",
        "Its speedup over that of every other network lies above 1.",
        _most,
    ),
    Claim(
        "darts-1200",
        "The network that DARTS found gets about 1200 % as fast.",
        "abstract; figure 5",
        "12x",
        f"Its speedup is within a factor of {NEAR} of 12 with the whole interval.",
        _twelvefold(NATIVE),
    ),
    Claim(
        "darts-1200-paper-era",
        "The same where PyTorch computes dilated convolutions without oneDNN, as it did for the study.",
        "section 2.3",
        "12x",
        f"Its speedup over {PAPER_ERA} is within a factor of {NEAR} of 12 with the whole interval.",
        _twelvefold(PAPER_ERA),
    ),
    Claim(
        "darts-500-onednn",
        "Forcing oneDNN for every operation that it supports reduces the gain to about 500 %.",
        "section 2.3",
        "reduced to 5x",
        f"Its speedup over {FORCED} is within a factor of {NEAR} of 5 with the whole interval, and divided by "
        f"that over {PAPER_ERA} lies below 1.",
        _reduced,
    ),
)
