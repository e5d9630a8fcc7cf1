"""What the study says of operation counts and latency (sections 2.1 and 2.2, figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import rankdata

from hwnas.report.cells import Cell
from hwnas.report.claims.bounds import LOW, WELL, above, below
from hwnas.report.claims.combining import combine, pearson_of_rows, ratio
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Claim, Finding, Part, Unit, judged, together
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.studied import ACCELERATED, NATIVE, STUDIED_PATTERNS
from hwnas.report.claims.values import Value, latency
from hwnas.report.claims.wording import spoken

#: "One of the lowest" and "one of the highest" of six: on that side of the middle, so that at least these many
#: of the other five are on the far side.
_HALF = 3
_OTHERS = len(STUDIED_PATTERNS) - 1


def _macs(cell: Cell) -> float:
    if cell.macs is None:
        raise MissingEvidence(f"nobody counted the multiply-adds of {cell.workload.label}")
    return float(cell.macs)


def _predict_over_width(evidence: Evidence) -> Finding:
    sweep = evidence.width
    parts = []
    for arm in (NATIVE, ACCELERATED):
        for pattern in STUDIED_PATTERNS:
            cells = sweep.line(pattern, arm)
            parts.append(Part(f"{spoken(pattern)} on {arm}", _correlation(cells), above(WELL)))
    worst = min(parts, key=lambda part: part.value.value)
    return judged(parts, sweep.note(), here=f"least for {worst.name}: {worst.text}")


def _correlation(cells: Sequence[Cell]) -> Value:
    """Pearson's r of the logarithms of multiply-adds, which are given, and latencies, which were measured."""
    macs = np.log([_macs(c) for c in cells])
    return combine([latency(c) for c in cells], lambda logs: pearson_of_rows(macs, logs), log=False)


def _do_not_order_patterns(evidence: Evidence) -> Finding:
    sweep = evidence.depth
    cells = [sweep.cell(p, NATIVE, value) for value in sweep.values for p in STUDIED_PATTERNS]
    shape = (-1, len(sweep.values), len(STUDIED_PATTERNS))
    macs = _ranks(np.array([_macs(c) for c in cells]).reshape(shape))

    def statistic(logs: np.ndarray) -> np.ndarray:
        return np.asarray(pearson_of_rows(macs, _ranks(logs.reshape(shape))).mean(axis=-1))

    found = combine([latency(c) for c in cells], statistic, log=False)
    part = Part("Spearman's rho, mean over depths", found, below(LOW))
    return judged([part], sweep.note("native"))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis; equal numbers share the mean of theirs."""
    return np.asarray(rankdata(values, axis=-1))


def _few_macs_yet_slow(pattern: str, fewer_than: int) -> Callable[[Evidence], Finding]:
    """A rule that a pattern needs fewer multiply-adds than some, and is slower than half of the patterns."""

    def rule(evidence: Evidence) -> Finding:
        sweep = evidence.depth
        cells = {p: sweep.cell(p, NATIVE, sweep.values[-1]) for p in STUDIED_PATTERNS}
        own = cells.pop(pattern)
        needs = [
            Part(
                f"MACs of {spoken(p)} over its own", Value.exact(_macs(c) / _macs(own)), above(1.0), Unit.TIMES
            )
            for p, c in cells.items()
        ]
        slower = [
            Part(f"latency over that of {spoken(p)}", ratio(latency(own), latency(c)), above(1.0), Unit.TIMES)
            for p, c in cells.items()
        ]
        fewest = sorted([own, *cells.values()], key=_macs)
        slowest = sorted([own, *cells.values()], key=lambda c: -latency(c).value)
        note = sweep.note(sweep.at_greatest(), "native")
        return together(
            judged(needs, note, here=f"fewest MACs first: {_names(fewest)}", least=fewer_than),
            judged(slower, note, here=f"slowest first: {_names(slowest)}", least=_HALF),
        )

    return rule


def _names(cells: Sequence[Cell]) -> str:
    return ", ".join(spoken(c.workload.name) for c in cells)


MAC_CLAIMS = (
    Claim(
        "macs-predict-over-width",
        "Over width latency correlates well with operation counts, for each pattern.",
        "section 2.2, figure 2",
        "well",
        "For every pattern, natively and accelerated, Pearson's r of the logarithms of MACs and latency lies "
        f"above {WELL}.",
        _predict_over_width,
    ),
    Claim(
        "macs-do-not-order-patterns",
        "In the study over depth the operation count of a pattern does not necessarily predict its latency.",
        "section 2.2, figure 1",
        "not",
        "Spearman's rho of MACs and native latency over the six patterns at one depth and the smallest batch, "
        f"mean over depths, lies below {LOW}.",
        _do_not_order_patterns,
    ),
    Claim(
        "fewest-macs-yet-slow",
        "Depthwise bottleneck needs the fewest multiply-adds, yet is among the slowest patterns natively.",
        "section 2.2",
        "among the slowest",
        "At the greatest depth and the smallest batch it has the fewest MACs, and its latency over that of at "
        f"least {_HALF} other patterns lies above 1.",
        _few_macs_yet_slow("depthwise_bottleneck", _OTHERS),
    ),
    Claim(
        "depthwise-separable-slow",
        "Depthwise separable needs among the fewest multiply-adds, yet is among the slowest patterns natively.",
        "figure 1",
        "among the slowest",
        f"At the greatest depth and the smallest batch at least {_HALF} other patterns have more MACs, and its "
        f"latency over that of at least {_HALF} others lies above 1.",
        _few_macs_yet_slow("depthwise_separable", _HALF),
    ),
)
