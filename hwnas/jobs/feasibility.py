"""Whether a measured network is within the limits: what a search proves in the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hwnas.measuring.statistics import Estimate


class Feasibility(StrEnum):
    """Where a measured value lies."""

    #: At most the limit: so is the upper end of its interval.
    FEASIBLE = "FEASIBLE"
    #: Beyond: so is the lower end.
    NOT = "NOT"
    #: The limit lies within the interval, or the value could not be measured.
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True)
class LatencyProof:
    """A measured latency against its limit.

    Args:
        backend: Full id.
        estimate: Drift-corrected, with its 95 % interval [s]; None where it could not be measured.
        limit_s: None where there is no limit [s].
        reason: Why there is no estimate.
    """

    backend: str
    estimate: Estimate | None
    limit_s: float | None
    reason: str = ""

    @property
    def verdict(self) -> Feasibility | None:
        """None where there is no limit."""
        if self.limit_s is None:
            return None
        if self.estimate is None or self.estimate.low_s <= self.limit_s < self.estimate.high_s:
            return Feasibility.UNCLEAR
        return Feasibility.FEASIBLE if self.estimate.high_s <= self.limit_s else Feasibility.NOT

    def record(self) -> dict[str, Any]:
        """JSON-ready, times in milliseconds."""
        e = self.estimate
        return {
            "backend": self.backend,
            "latency_ms": None if e is None else e.latency_s * 1e3,
            "interval_ms": None if e is None else [e.low_s * 1e3, e.high_s * 1e3],
            "passes": 0 if e is None else e.passes,
            "limit_ms": None if self.limit_s is None else self.limit_s * 1e3,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def together(verdicts: Iterable[Feasibility | None]) -> Feasibility | None:
    """Of several limits: NOT where one is, else UNCLEAR where one is; None without any."""
    found = [v for v in verdicts if v is not None]
    for worst in (Feasibility.NOT, Feasibility.UNCLEAR, Feasibility.FEASIBLE):
        if worst in found:
            return worst
    return None
