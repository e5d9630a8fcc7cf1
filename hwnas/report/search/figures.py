"""The figures of a search: PNG, SVG and the numbers of each as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure, room_for_names
from hwnas.report.figures import DrawnFigure, FigureKind
from hwnas.report.records import write_csv
from hwnas.report.search.trials import Record, TrialPoint, backend_shown, measured_rows, trial_points
from hwnas.report.style import ANOTHER_FOLDER, GRID, INK, MUTED, save, styled

#: Of the palette of all figures.
_TRIED, _FRONT, _LIMIT, _WINNER = "#56B4E9", "#0072B2", "#D55E00", "#009E73"
_PAPER = "#ffffff"
_HEIGHT_IN = 3.6
_BAR_IN = 0.3
#: Room for percentages with two decimals, and the name of the axis.
_LEFT_IN = 1.0
_MOST_CHOICES = 20


def draw_search_figures(record: Record, folder: Path) -> list[DrawnFigure]:
    """Draw what there is to see of a search; a figure without anything to show is left out.

    Args:
        record: That ``result.json`` holds.
        folder: Where the files go.

    Raises:
        UsageError: A file cannot be written.
    """
    points = trial_points(record)
    measured = measured_rows(record)
    shares = list(record["importance"].items())[:_MOST_CHOICES]
    found = []
    with styled():
        placed = [p for p in points if p.accuracy is not None and p.latency_ms is not None]
        if placed:
            found.append(_written("front", _front(record, points), [p.row() for p in points], folder, _SHOWS))
        if any(p.place for p in points):
            rows = [p.row() for p in points if p.place]
            found.append(_written("history", _history(record, points), rows, folder, _SHOWS))
        if measured:
            found.append(_written("predicted", _predicted(record, measured), measured, folder, _SHOWS))
        if shares:
            rows = [{"choice": name, "share": share} for name, share in shares]
            found.append(_written("importance", _importance(record, shares), rows, folder, _SHOWS))
    return found


_SHOWS = {
    "front": "Accuracy against latency, predicted or measured, one mark a network, the limit as a line.",
    "history": "Accuracy of each evaluated network in order, and the best so far as steps.",
    "predicted": "Measured latency of the finalists against the predicted one, both with intervals.",
    "importance": "Bars: which part of the accuracies' variance each choice explains.",
}


def _written(
    name: str, figure: Figure, rows: Sequence[dict[str, Any]], folder: Path, shows: dict[str, str]
) -> DrawnFigure:
    png, _ = save(figure, folder / name)
    csv = write_csv(folder / f"{name}.csv", list(rows), ANOTHER_FOLDER)
    return DrawnFigure(FigureKind.SEARCH, png, csv, shows[name])


def _footer(record: Record) -> list[str]:
    told, threads = record["provenance"], record["options"]["threads"]
    return [f"{told['cpu']}; {backend_shown(record)}, {threads} thread(s); hwnas {told['hwnas']}"]


def _mark(colour: str, marker: str, line: Literal["none", "-", "--"] = "none") -> Line2D:
    return Line2D([], [], color=colour, marker=marker, linestyle=line, markersize=7)


def _percent(axis: Axes, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    room = max(0.01, 0.08 * (high - low))
    axis.set_ylim(max(-0.01, low - room), min(1 + 0.15 * room, high + room))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))


def _front(record: Record, points: Sequence[TrialPoint]) -> Figure:
    placed = [p for p in points if p.accuracy is not None and p.latency_ms is not None]
    backend = backend_shown(record)
    limit = record["limits"]["latency_ms"].get(backend)
    ruled_out = [p for p in points if p.state == "INFEASIBLE" and p.latency_ms is not None]
    handles = [_mark(_TRIED, "o"), _mark(MUTED, "x"), _mark(_FRONT, "o", "-")]
    labels = [
        "evaluated (hollow: latency predicted)",
        "given up on the way",
        "no other one is better and faster",
    ]
    handles.append(_mark(_WINNER, "D"))
    labels.append("finalist, measured (95 % interval)")
    if limit is not None:
        handles.append(_mark(_LIMIT, "", "--"))
        labels.append("limit")
    if ruled_out:
        handles.append(_mark(_LIMIT, "|"))
        labels.append("ruled out, not trained")
    frame = Frame(
        "Accuracy and latency",
        "Accuracy on the validation images; latencies as predicted before training, measured where the search "
        "has measured them.",
        [Legend("Networks", handles, labels)],
        [],
        _footer(record),
    )
    figure, (axis,) = new_figure(frame, Grid(1, 1, height=_HEIGHT_IN, left=_LEFT_IN))
    complete = [p for p in placed if p.state == "COMPLETE"]
    pruned = [p for p in placed if p.state == "PRUNED"]
    front = sorted((p for p in complete if p.on_front), key=lambda p: p.latency_ms or 0.0)
    axis.plot(*_columns([p for p in complete if p.measured]), "o", color=_TRIED, markersize=6)
    predicted = [p for p in complete if not p.measured]
    axis.plot(*_columns(predicted), "o", color=_TRIED, markersize=6, markerfacecolor=_PAPER)
    axis.plot(*_columns(pruned), "x", color=MUTED, markersize=5)
    axis.plot(*_columns(front), "-", drawstyle="steps-post", color=_FRONT, linewidth=1.2)
    for known in (True, False):
        own = [p for p in front if p.measured == known]
        face = _FRONT if known else _PAPER
        axis.plot(*_columns(own), "o", color=_FRONT, markersize=6, markerfacecolor=face)
    values = [p.accuracy for p in placed if p.accuracy is not None]
    for finalist in record["finalists"]:
        proof = next((f for f in finalist["latencies"] if f["backend"] == backend), None)
        accuracy = finalist["validation_accuracy"]["mean"]
        if proof is None or proof["latency_ms"] is None or accuracy is None:
            continue
        low, high = proof["interval_ms"]
        at = proof["latency_ms"]
        values.append(accuracy)
        axis.errorbar(
            at,
            accuracy,
            xerr=[[at - low], [high - at]],
            fmt="D",
            color=_WINNER,
            markersize=7,
            capsize=3,
            zorder=5,
        )
    _percent(axis, values)
    axis.plot(
        _columns(ruled_out)[0],
        [0.015] * len(ruled_out),
        "|",
        color=_LIMIT,
        markersize=9,
        transform=axis.get_xaxis_transform(),
    )
    if limit is not None:
        axis.axvline(limit, color=_LIMIT, linestyle="--", linewidth=1.2)
    if _wide([p.latency_ms or 0.0 for p in (*placed, *ruled_out)]):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_xlabel(f"latency on {backend} [ms]")
    axis.set_ylabel("accuracy")
    return figure


def _columns(points: Sequence[TrialPoint]) -> tuple[list[float], list[float]]:
    """Latencies [ms] and accuracies."""
    return [p.latency_ms or 0.0 for p in points], [p.accuracy or 0.0 for p in points]


def _wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 8


def _history(record: Record, points: Sequence[TrialPoint]) -> Figure:
    evaluated = [p for p in points if p.place is not None and p.accuracy is not None]
    frame = Frame(
        "How the search went",
        f"Engine {record['search']['engine']}, sampler {record['search']['sampler']}, "
        f"seed {record['search']['seed']}. Networks that a limit ruled out cost no evaluation.",
        [
            Legend(
                "Networks",
                [_mark(_TRIED, "o"), _mark(MUTED, "x"), _mark(_FRONT, "", "-")],
                ["evaluated", "given up on the way", "best so far"],
            )
        ],
        [],
        _footer(record),
    )
    figure, (axis,) = new_figure(frame, Grid(1, 1, height=_HEIGHT_IN, left=_LEFT_IN))
    for state, marker, colour in (("COMPLETE", "o", _TRIED), ("PRUNED", "x", MUTED)):
        own = [p for p in evaluated if p.state == state]
        axis.plot([p.place or 0 for p in own], _columns(own)[1], marker, color=colour, markersize=6)
    best = -1.0
    places: list[int] = []
    values: list[float] = []
    for p in evaluated:
        if p.state == "COMPLETE" and p.accuracy is not None and p.accuracy > best:
            best = p.accuracy
            places.append(p.place or 0)
            values.append(best)
    if places:
        last = max(p.place or 0 for p in evaluated)
        axis.plot([*places, last], [*values, best], drawstyle="steps-post", color=_FRONT, linewidth=1.6)
    _percent(axis, [p.accuracy for p in evaluated if p.accuracy is not None] or [0.0])
    axis.set_xlabel("evaluation")
    axis.set_ylabel("accuracy on the validation images")
    return figure


def _predicted(record: Record, rows: Sequence[dict[str, Any]]) -> Figure:
    limits = {r["backend"]: r["limit_ms"] for r in rows if r["limit_ms"] is not None}
    backends = list(dict.fromkeys(r["backend"] for r in rows))
    colours = dict(zip(backends, (_FRONT, _WINNER, "#CC79A7", "#E69F00"), strict=False))
    handles = [_mark(colours.get(b, INK), "o") for b in backends]
    frame = Frame(
        "Predicted and measured latency of the finalists",
        "Bars: the 90 % interval of the prediction, and the 95 % interval of the measurement. "
        "On the diagonal both agree.",
        [Legend("Backends", handles, backends)],
        [],
        _footer(record),
    )
    figure, (axis,) = new_figure(frame, Grid(1, 1, height=_HEIGHT_IN, left=_LEFT_IN))
    ends = [r[key] for r in rows for key in ("predicted_low_ms", "predicted_high_ms", "measured_low_ms")]
    ends += [r["measured_high_ms"] for r in rows]
    low, high = 0.9 * min(ends), 1.1 * max(ends)
    axis.plot([low, high], [low, high], color=GRID, linewidth=1.5, zorder=0)
    for r in rows:
        x, y = r["predicted_ms"], r["measured_ms"]
        axis.errorbar(
            x,
            y,
            xerr=[[x - r["predicted_low_ms"]], [r["predicted_high_ms"] - x]],
            yerr=[[y - r["measured_low_ms"]], [r["measured_high_ms"] - y]],
            fmt="o",
            color=colours.get(r["backend"], INK),
            capsize=3,
        )
        axis.annotate(str(r["trial"]), (x, y), (6, 6), textcoords="offset points", size=8, color=MUTED)
    if len(backends) == 1 and limits:
        axis.axhline(limits[backends[0]], color=_LIMIT, linestyle="--", linewidth=1.2)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_xlabel("predicted before it was measured [ms]")
    axis.set_ylabel("measured [ms]")
    return figure


def _importance(record: Record, shares: Sequence[tuple[str, float]]) -> Figure:
    frame = Frame(
        "Which choices mattered for the accuracy",
        "Part of the variance of the evaluated networks' accuracies that each choice explains (fANOVA).",
        [],
        [],
        _footer(record),
    )
    height = _BAR_IN * len(shares) + 0.2
    grid = Grid(1, 1, height=height, left=room_for_names([name for name, _ in shares]), above=0.1)
    figure, (axis,) = new_figure(frame, grid)
    places = range(len(shares))
    axis.barh(places, [share for _, share in shares], color=_FRONT, height=0.66)
    axis.set_yticks(list(places), [name for name, _ in shares])
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlabel("share of the variance")
    return figure
