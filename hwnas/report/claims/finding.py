"""What a claim is, and what was found of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hwnas.report.claims.values import Value

if TYPE_CHECKING:
    from hwnas.report.claims.evidence import Evidence

#: A number is reproduced where it is within this factor of the study's. The study gives no intervals; a
#: quarter is less than what its figures differ between neighbouring settings.
NEAR = 1.25


class ClaimVerdict(StrEnum):
    """What measurements say of a claim."""

    HOLDS = "HOLDS"
    DOES_NOT_HOLD = "DOES NOT HOLD"
    UNCLEAR = "UNCLEAR"
    NOT_MEASURED = "NOT MEASURED"


@dataclass(frozen=True)
class Finding:
    """The outcome for one claim.

    Args:
        verdict: By the claim's rule.
        value: The number here with its 95 % interval; None where the claim is no number.
        here: What was found, for people.
        note: Conditions, or why it was not measured.
    """

    verdict: ClaimVerdict
    value: Value | None = None
    here: str = ""
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """One statement of the study.

    Args:
        id: Short name.
        statement: What the study says.
        place: Where it says so.
        paper: Its value.
        rule: How the verdict is made, for people.
        judge: The rule itself.
    """

    id: str
    statement: str
    place: str
    paper: str
    rule: str
    judge: Callable[[Evidence], Finding]

    def record(self, finding: Finding) -> dict[str, Any]:
        """The claim with its finding, JSON-ready; None where there is no number, or no interval of it."""
        value = finding.value
        return {
            "id": self.id,
            "statement": self.statement,
            "place": self.place,
            "paper": self.paper,
            "here": finding.here or None,
            "value": value.value if value else None,
            "interval": [value.low, value.high] if value and value.low < value.high else None,
            "verdict": str(finding.verdict),
            "rule": self.rule,
            "note": finding.note,
        }


def near(value: Value, paper: float) -> ClaimVerdict:
    """Whether a value is within :data:`NEAR` of the study's."""
    low, high = paper / NEAR, paper * NEAR
    if low <= value.low and value.high <= high:
        return ClaimVerdict.HOLDS
    return ClaimVerdict.DOES_NOT_HOLD if value.high < low or value.low > high else ClaimVerdict.UNCLEAR


def above(value: Value, bound: float) -> ClaimVerdict:
    """Whether a value is above a bound."""
    if value.low > bound:
        return ClaimVerdict.HOLDS
    return ClaimVerdict.DOES_NOT_HOLD if value.high < bound else ClaimVerdict.UNCLEAR


def below(value: Value, bound: float) -> ClaimVerdict:
    """Whether a value is below a bound."""
    if value.high < bound:
        return ClaimVerdict.HOLDS
    return ClaimVerdict.DOES_NOT_HOLD if value.low > bound else ClaimVerdict.UNCLEAR


def all_hold(verdicts: Sequence[ClaimVerdict]) -> ClaimVerdict:
    """One verdict for what must hold everywhere."""
    if ClaimVerdict.DOES_NOT_HOLD in verdicts:
        return ClaimVerdict.DOES_NOT_HOLD
    return ClaimVerdict.UNCLEAR if ClaimVerdict.UNCLEAR in verdicts else ClaimVerdict.HOLDS
