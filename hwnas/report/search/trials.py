"""What the figures and the page of a search show, taken out of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

#: How a cost of latency is called in a search.
_LATENCY = "latency "


@dataclass(frozen=True)
class TrialPoint:
    """A trial as figures show it.

    Args:
        number: Of the trial.
        place: Of its evaluation, from 1; None where it was ruled out.
        state: As the record says.
        accuracy: On the images that choose, from 0 to 1; None where it was not evaluated.
        latency_ms: Measured where the search has measured it, else as predicted before it was evaluated; None
            where nobody said.
        measured: Whether it was.
        on_front: Whether no other trial beats it.
    """

    number: int
    place: int | None
    state: str
    accuracy: float | None
    latency_ms: float | None
    measured: bool
    on_front: bool

    def row(self) -> dict[str, Any]:
        """For a CSV file."""
        return {
            "trial": self.number,
            "evaluation": self.place,
            "state": self.state,
            "validation_accuracy": self.accuracy,
            "latency_ms": self.latency_ms,
            "latency_measured": self.measured,
            "on_front": self.on_front,
        }


def backend_shown(record: Record) -> str:
    """The backend whose latency the figures show: the first that is limited, else the one that is traded."""
    limits = record["limits"]["latency_ms"]
    return str(next(iter(limits), record["options"]["backend"]))


def trial_points(record: Record) -> list[TrialPoint]:
    """All trials, in the order of their suggestion."""
    name = _LATENCY + backend_shown(record)
    found, place = [], 0
    measured_s = record["search"]["measured"].get(name, {})
    for trial in record["search"]["trials"]:
        evaluated = trial["state"] in ("COMPLETE", "PRUNED") and trial["repeats"] is None
        place += evaluated
        latency_s = _known_s(trial, name, measured_s)
        found.append(
            TrialPoint(
                number=trial["number"],
                place=place if evaluated else None,
                state=trial["state"],
                accuracy=trial["accuracy"] if evaluated else None,
                latency_ms=None if latency_s is None else latency_s * 1e3,
                measured=trial["text"] in measured_s,
                on_front=trial["number"] in record["front"],
            )
        )
    return found


def _known_s(trial: Record, cost: str, measured_s: Mapping[str, float]) -> float | None:
    """A trial's latency as the search knew it in the end [s]; None where nobody told."""
    told = trial["costs"].get(cost)
    return None if told is None else float(measured_s.get(trial["text"], told["median"]))


def measured_rows(record: Record) -> list[dict[str, Any]]:
    """A row for each finalist and backend that was measured: predicted beside measured, for a CSV file."""
    rows = []
    for finalist in record["finalists"]:
        for proof in finalist["latencies"]:
            predicted = proof["predicted"]
            if proof["latency_ms"] is None or predicted is None:
                continue
            rows.append(
                {
                    "trial": finalist["trial"],
                    "backend": proof["backend"],
                    "predicted_ms": predicted["latency_ms"],
                    "predicted_low_ms": predicted["interval_ms"][0],
                    "predicted_high_ms": predicted["interval_ms"][1],
                    "measured_ms": proof["latency_ms"],
                    "measured_low_ms": proof["interval_ms"][0],
                    "measured_high_ms": proof["interval_ms"][1],
                    "limit_ms": proof["limit_ms"],
                    "verdict": proof["verdict"],
                }
            )
    return rows
