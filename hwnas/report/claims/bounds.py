"""Where a number must lie for a claim to hold, and what its interval says of that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hwnas.measuring.statistics import MARGIN
from hwnas.report.claims.values import Value

#: A number is reproduced where it is within this factor of the study's. The study gives no intervals; a
#: quarter is less than what its figures differ between neighbouring settings.
NEAR = 1.25
#: Numbers of which the study says that they are similar differ by less than this factor, and those of which it
#: says that they vary drastically or greatly, by more.
SIMILAR = 2.0
#: "Correlates well": what tables of such words call very high. "Does not predict": what they call low or less.
#: Source: Mukaka, Malawi Medical Journal 24, 2012, table 1.
WELL = 0.9
LOW = 0.5
#: "No speedup": not beyond what is of practical interest anywhere else here.
NO_GAIN = 1 + MARGIN


class ClaimVerdict(StrEnum):
    """What measurements say of a claim."""

    HOLDS = "HOLDS"
    DOES_NOT_HOLD = "DOES NOT HOLD"
    UNCLEAR = "UNCLEAR"
    NOT_MEASURED = "NOT MEASURED"


@dataclass(frozen=True)
class Bounds:
    """Between two ends, neither of which belongs to it.

    Args:
        low: Lower end.
        high: Upper end.
    """

    low: float = -math.inf
    high: float = math.inf

    def judge(self, value: Value) -> ClaimVerdict:
        """HOLDS with the whole interval inside, DOES NOT HOLD with the whole interval outside."""
        if self.low < value.low and value.high < self.high:
            return ClaimVerdict.HOLDS
        outside = value.high < self.low or value.low > self.high
        return ClaimVerdict.DOES_NOT_HOLD if outside or value.counted else ClaimVerdict.UNCLEAR

    def distance(self, value: Value) -> tuple[float, float]:
        """How far inside the number is, below 0 outside: in parts of number and end, and as a difference."""
        ends = [(value.value - self.low, self.low), (self.high - value.value, self.high)]
        return min(
            (gap / (abs(value.value) + abs(end)) if gap else 0.0, gap)
            for gap, end in ends
            if math.isfinite(end)
        )


def near(paper: float) -> Bounds:
    """Within a factor of :data:`NEAR` of the study's."""
    return Bounds(paper / NEAR, paper * NEAR)


def above(bound: float) -> Bounds:
    """Above a bound."""
    return Bounds(low=bound)


def below(bound: float) -> Bounds:
    """Below a bound."""
    return Bounds(high=bound)
