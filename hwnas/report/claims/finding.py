"""What a claim is, and what was found of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hwnas.report.claims.bounds import NEAR, Bounds, ClaimVerdict
from hwnas.report.claims.values import Value
from hwnas.report.claims.wording import listed

if TYPE_CHECKING:
    from hwnas.report.claims.evidence import Evidence

#: How all claims are read; stands wherever they are shown.
READINGS = (
    'A percentage such as "a speed-up of 380 %" is read as a ratio of 3.8, not of 4.8: the paper does not say '
    "which it means, and this is the smaller one.",
    f"A number is reproduced where it is within a factor of {NEAR} of the paper's with its whole 95 % "
    "interval; the paper gives no intervals.",
)

_WORST_LAST = (ClaimVerdict.HOLDS, ClaimVerdict.UNCLEAR, ClaimVerdict.DOES_NOT_HOLD)
#: More numbers than this are not all told in words.
_MOST_TOLD = 8


class Unit(StrEnum):
    """What a number is told in."""

    TIMES = "x"
    SECONDS = "s"
    PLAIN = ""


@dataclass(frozen=True)
class Part:
    """A number by which a claim is judged, and where it must lie.

    Args:
        name: What it is a number of.
        value: The number [`unit`].
        bounds: Where it must lie.
        unit: Of the number.
    """

    name: str
    value: Value
    bounds: Bounds
    unit: Unit = Unit.PLAIN

    @property
    def verdict(self) -> ClaimVerdict:
        """Of this number alone."""
        return self.bounds.judge(self.value)

    @property
    def text(self) -> str:
        """For people; seconds in milliseconds."""
        if self.unit is Unit.SECONDS:
            return self.value.scaled(1e3).text(" ms")
        return self.value.text(self.unit)

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, **_number(self)}


@dataclass(frozen=True)
class Finding:
    """The outcome for one claim.

    Args:
        verdict: By the claim's rule.
        decided_by: The number that decided; None where nothing was measured.
        here: What was found, for people.
        note: Conditions, or why it was not measured.
        parts: Every number that the rule looks at.
    """

    verdict: ClaimVerdict
    decided_by: Part | None = None
    here: str = ""
    note: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def value(self) -> Value | None:
        """The number that decided, with its 95 % interval."""
        return self.decided_by.value if self.decided_by else None


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
        return {
            "id": self.id,
            "statement": self.statement,
            "place": self.place,
            "paper": self.paper,
            "here": finding.here or None,
            **_number(finding.decided_by),
            "verdict": str(finding.verdict),
            "rule": self.rule,
            "note": finding.note,
            "parts": [part.record() for part in finding.parts],
        }


def _number(part: Part | None) -> dict[str, Any]:
    if part is None:
        return {"value": None, "interval": None, "unit": None}
    v = part.value
    interval = None if v.counted else [v.low, v.high]
    return {"value": v.value, "interval": interval, "unit": "s" if part.unit is Unit.SECONDS else "1"}


def judged(parts: Sequence[Part], note: str, *, here: str = "", least: int | None = None) -> Finding:
    """The finding of some numbers of which all, or at least some, must lie where they should.

    Args:
        parts: At least one. The one that decides is the claim's value: of all, the worst; of at least n, the
            n-th best.
        note: Conditions.
        here: What was found, for people; None to tell the numbers.
        least: How many must; None for all.
    """
    best_first = sorted(
        parts, key=lambda p: (_WORST_LAST.index(p.verdict), [-d for d in p.bounds.distance(p.value)])
    )
    decisive = best_first[(len(parts) if least is None else least) - 1]
    return Finding(decisive.verdict, decisive, here or _told(parts, decisive), note, tuple(parts))


def together(*findings: Finding) -> Finding:
    """One finding of several that must all hold: the worst decides, the last of equal ones."""
    worst = max(reversed(findings), key=lambda f: _WORST_LAST.index(f.verdict))
    return replace(
        worst,
        here="; ".join(f.here for f in findings),
        note="; ".join(dict.fromkeys(f.note for f in findings)),
        parts=tuple(part for f in findings for part in f.parts),
    )


def _told(parts: Sequence[Part], decisive: Part) -> str:
    if len(parts) == 1:
        return decisive.text
    if len(parts) <= _MOST_TOLD:
        return "; ".join(f"{p.name} {p.text}" for p in parts)
    against, open_ = (
        [f"{p.name} {p.text}" for p in parts if p.verdict is verdict]
        for verdict in (ClaimVerdict.DOES_NOT_HOLD, ClaimVerdict.UNCLEAR)
    )
    groups = [f"{word}: {listed(names)}" for word, names in (("against", against), ("open", open_)) if names]
    return "; ".join(groups) or f"so in all {len(parts)}; closest: {decisive.name} {decisive.text}"
