"""One self-contained page of a search: what won, how surely, and how it was found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.units import format_bytes, format_count, format_seconds
from hwnas.report.context import plural
from hwnas.report.html import colours
from hwnas.report.html.templating import template_environment
from hwnas.report.search.figures import draw_search_figures
from hwnas.report.search.trials import Record
from hwnas.report.style import ANOTHER_FOLDER

PAGE = "index.html"

#: The page's word for a verdict, and its style.
_VERDICTS = {
    "FEASIBLE": ("FEASIBLE", "holds"),
    "NOT": ("NOT", "does-not-hold"),
    "UNCLEAR": ("UNCLEAR", "unclear"),
    None: ("no limit", "not-measured"),
}
_STATES = {
    "COMPLETE": "evaluated",
    "PRUNED": "given up on the way",
    "INFEASIBLE": "ruled out by a limit before training",
    "FAILED": "failed",
    "RUNNING": "under way",
}


def write_search_page(record: Record, folder: Path) -> list[Path]:
    """Draw the figures and write the page.

    Args:
        record: That ``result.json`` holds.
        folder: Where the files go.

    Returns:
        The files written, the page last.

    Raises:
        UsageError: A file cannot be written.
    """
    figures = draw_search_figures(record, folder)
    text = template_environment().get_template("search.html").render(_context(record, figures))
    path = folder / PAGE
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", ANOTHER_FOLDER) from error
    return [*(file for figure in figures for file in figure.files), path]


def _context(record: Record, figures: Any) -> dict[str, Any]:
    states = Counter(trial["state"] for trial in record["search"]["trials"])
    return {
        "record": record,
        "options": record["options"],
        "provenance": record["provenance"],
        "winner": record["winner"],
        "accuracy": accuracy_text(record["accuracy"]),
        "latencies": [_proof(proof) for proof in record["latencies"]],
        "limits": limit_lines(record),
        "within": _within(record),
        "states": [(_STATES[state], states[state]) for state in _STATES if states[state]],
        "finalists": [
            {
                "trial": finalist["trial"],
                "text": finalist["text"],
                "verdict": _VERDICTS[finalist["verdict"]],
                "latencies": [_proof(proof) for proof in finalist["latencies"]],
                "accuracy": accuracy_text(finalist["accuracy"]),
                "won": record["winner"] is not None and finalist["trial"] == record["winner"]["trial"],
            }
            for finalist in record["finalists"]
        ],
        "kernels": [
            {**k, "time": format_seconds(k["time_ms"] / 1e3), "share": f"{k['share']:.0%}"}
            for k in (record["winner"] or {}).get("kernels", ())
        ],
        "figures": {figure.name: figure for figure in figures},
        "light": colours.variables(dark=False),
        "dark": colours.variables(dark=True),
    }


def _within(record: Record) -> str:
    """Which limits hold, and whether that is proved."""
    told = "; ".join(limit_lines(record))
    if not told:
        return ""
    # Counts are exact: where no latency is limited, there is no verdict.
    proved = record["verdict"] in (None, "FEASIBLE")
    return f" within {told}" if proved else f", not proved to be within {told}"


def accuracy_text(found: Record | None) -> str:
    """An accuracy for people, with its interval and what it was counted on."""
    if found is None or found["mean"] is None:
        return "not evaluated"
    text = f"{found['mean']:.2%}"
    if found["interval"]:
        low, high = found["interval"]
        text += f" [{max(0.0, low):.2%}, {min(1.0, high):.2%}], {found['seeds']} trainings"
    if found["images"]:
        text += f", {found['images']} images"
    return text


def _proof(proof: Record) -> dict[str, Any]:
    verdict, style = _VERDICTS[proof["verdict"]]
    if proof["latency_ms"] is None:
        value, passes, text = "", "", f"not measured: {proof['reason']}"
    else:
        low, high = (format_seconds(end / 1e3) for end in proof["interval_ms"])
        value = format_seconds(proof["latency_ms"] / 1e3)
        passes = plural(proof["passes"], "pass", "passes")
        text = f"{value} [{low}, {high}]"
    limit = None if proof["limit_ms"] is None else format_seconds(proof["limit_ms"] / 1e3)
    predicted = proof["predicted"]
    return {
        "backend": proof["backend"],
        "value": value,
        "text": text,
        "passes": passes,
        "limit": limit,
        "verdict": verdict,
        "style": style,
        "predicted": None if predicted is None else format_seconds(predicted["latency_ms"] / 1e3),
    }


def limit_lines(record: Record) -> list[str]:
    """Every limit for people."""
    limits = record["limits"]
    found = [f"{b}: at most {format_seconds(ms / 1e3)}" for b, ms in limits["latency_ms"].items()]
    for name, most in limits["counts"].items():
        told = format_bytes(most) if name in ("weights", "memory") else format_count(most)
        found.append(f"{name}: at most {told}")
    return found
