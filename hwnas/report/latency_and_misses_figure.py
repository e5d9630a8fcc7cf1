"""Latency and cache misses in one panel a pattern, each on an axis of its own (the study's figures 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hwnas.report.cells import Cell, Selection
from hwnas.report.context import figure_footer, omission_notes
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure
from hwnas.report.order import network_names, number
from hwnas.report.quantities import LATENCY, Quantity
from hwnas.report.style import INK, MUTED, BatchStyle, backend_colours
from hwnas.report.sweep_panels import (
    ONLY_PANEL_IN,
    PANEL_IN,
    ZERO,
    axis_label,
    columns_of,
    conditions,
    draw_at_foot,
    draw_line,
    gaps_note,
    points,
    set_x_scale,
    set_y_scale,
    span,
    uncounted_note,
)
from hwnas.report.sweeps import Line, Sweep

_LATENCY_STYLE = BatchStyle("o", "-", 5.0)
_MISSES_STYLE = BatchStyle("D", (0, (4, 2)), 3.6)


@dataclass(frozen=True)
class LatencyAndMisses:
    """What one such figure shows: the lines of one batch that have both.

    Args:
        sweep: The sweep, without the other batches and without arms whose misses nobody counted.
        misses: Which misses.
        batch: The smallest batch that has both at two values of the sweep.
        other_batches: Those left out.
    """

    sweep: Sweep
    misses: Quantity
    batch: int
    other_batches: tuple[int, ...]

    def records(self) -> Iterator[dict[str, Any]]:
        """The numbers that are drawn, one record a cell; None where there is none."""
        names = network_names(c.workload for c in self.sweep.cells)
        for cell in self.sweep.cells:
            latency, misses = LATENCY.read(cell), self.misses.read(cell)
            yield {
                "network": names[cell.workload.key],
                "depth": number(cell.workload, "depth"),
                "width": number(cell.workload, "width"),
                "batch": self.batch,
                "threads": cell.threads,
                "backend": cell.backend,
                "per_image_s": latency[0] * 1e-3 if latency else None,
                "per_image_low_s": latency[1] * 1e-3 if latency else None,
                "per_image_high_s": latency[2] * 1e-3 if latency else None,
                "misses_per_image": misses[0] if misses else 0.0 if self.misses.is_zero(cell) else None,
                "macs": cell.macs,
                "reason": cell.reason,
            }


def latency_and_misses(sweep: Sweep, misses: Quantity) -> LatencyAndMisses | None:
    """What to draw of a sweep and a source's misses, or None where both are known at fewer than two values."""
    lines = [line for found in sweep.panels.values() for line in found]
    batches = sorted({line.batch for line in lines})
    for batch in batches:
        own = [x for x in lines if x.batch == batch]
        known = {
            v for x in own for v, c in zip(sweep.values, x.cells, strict=True) if c and _has_both(c, misses)
        }
        if len(known) > 1:
            counted = {x.backend for x in own if points(x, misses)}
            panels = {
                name: tuple(x for x in found if x.batch == batch and x.backend in counted)
                for name, found in sweep.panels.items()
            }
            kept = Sweep(sweep.axis, sweep.fixed, sweep.image, sweep.threads, sweep.values, panels)
            return LatencyAndMisses(kept, misses, batch, tuple(b for b in batches if b != batch))
    return None


def _has_both(cell: Cell, misses: Quantity) -> bool:
    return cell.estimate is not None and misses.read(cell) is not None


def draw_latency_and_misses(drawn: LatencyAndMisses, selection: Selection) -> Figure:
    """Draw it; call it within :func:`hwnas.report.style.styled`.

    Args:
        drawn: As :func:`latency_and_misses` gives it.
        selection: Where it comes from, for the footer.
    """
    sweep, misses = drawn.sweep, drawn.misses
    backends = backend_colours(x.backend for found in sweep.panels.values() for x in found)
    columns = columns_of(len(sweep.panels))
    rows = math.ceil(len(sweep.panels) / columns)
    zeros = any(misses.is_zero(c) for c in sweep.cells)
    crosses = any(c.estimate is None for c in sweep.cells)
    rest = f"batch {', '.join(map(str, drawn.other_batches))}" if drawn.other_batches else ""
    frame = Frame(
        title=f"Latency and last-level-cache misses over {sweep.axis}",
        subtitle=f"{conditions(sweep, [drawn.batch])}. {misses.title}. Logarithmic scales, shared by all "
        "panels; both span the same factor, so that lines of equal slope grow alike.",
        legends=_legends(backends, crosses, misses.zero_means if zeros else ""),
        notes=[
            *omission_notes(sweep.cells),
            *gaps_note(sweep, backends),
            *uncounted_note(sweep, backends, misses),
            *([f"Not drawn: {rest}."] if rest else []),
        ],
        footer=figure_footer(selection, sweep.cells),
    )
    height = PANEL_IN if rows > 1 else ONLY_PANEL_IN
    figure, lefts = new_figure(frame, Grid(rows, columns, height=height, right=0.85))
    _set_scales(lefts[0], drawn, foot=zeros or crosses)
    rights = [axis.twinx() for axis in lefts[: len(sweep.panels)]]
    _set_right_scale(rights, drawn, foot=zeros or crosses)
    for place, (left, right, (name, lines)) in enumerate(
        zip(lefts, rights, sweep.panels.items(), strict=False)
    ):
        left.set_title(name.replace("_", " "), loc="left", size=10, weight="bold")
        _draw_panel(left, right, sweep, lines, backends, misses)
        lowest, last = place + columns >= len(sweep.panels), place % columns == columns - 1
        last = last or place == len(sweep.panels) - 1
        left.tick_params(labelbottom=lowest, labelleft=place % columns == 0, length=3)
        right.tick_params(labelright=last, length=3)
        if lowest:
            left.set_xlabel(axis_label(sweep))
        if place % columns == 0:
            left.set_ylabel(LATENCY.label)
        if last:
            right.set_ylabel(misses.label)
    for unused in lefts[len(sweep.panels) :]:
        unused.remove()
    return figure


def _ends(drawn: LatencyAndMisses) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes, with one factor between them.

    Where one quantity needs less room, latencies stand higher and misses lower: they overlap less.
    """
    latency, misses = (span(drawn.sweep.cells, q) for q in (LATENCY, drawn.misses))
    factor = max(latency[1] / latency[0], misses[1] / misses[0])
    return (latency[1] / factor, latency[1]), (misses[0], misses[0] * factor)


def _set_scales(axis: Axes, drawn: LatencyAndMisses, *, foot: bool) -> None:
    set_x_scale(axis, drawn.sweep)
    set_y_scale(axis, _ends(drawn)[0], foot=foot)


def _set_right_scale(axes: list[Axes], drawn: LatencyAndMisses, *, foot: bool) -> None:
    for axis in axes[1:]:
        axis.sharey(axes[0])
    for axis in axes:
        axis.grid(False)
        axis.spines["right"].set_visible(True)
    set_y_scale(axes[0], _ends(drawn)[1], foot=foot)


def _draw_panel(
    left: Axes,
    right: Axes,
    sweep: Sweep,
    lines: tuple[Line, ...],
    backends: Mapping[str, str],
    misses: Quantity,
) -> None:
    for line in lines:
        draw_line(left, sweep.values, line, backends[line.backend], _LATENCY_STYLE, LATENCY)
        draw_line(right, sweep.values, line, backends[line.backend], _MISSES_STYLE, misses)
    draw_at_foot(left, sweep.values, lines, backends, "x", lambda c: c.estimate is None)
    draw_at_foot(right, sweep.values, lines, backends, ZERO, misses.is_zero)


def _legends(backends: Mapping[str, str], crosses: bool, zero_means: str) -> list[Legend]:
    colours = [Line2D([], [], color=c, linewidth=3) for c in backends.values()]
    kinds = [
        Line2D([], [], color=INK, marker=s.marker, markersize=s.size, linestyle=s.line, markerfacecolor="white")
        for s in (_LATENCY_STYLE, _MISSES_STYLE)
    ]
    labels = ["latency, left axis", "misses, right axis"]
    if crosses:
        kinds.append(Line2D([], [], color=MUTED, marker="x", linestyle="none", markersize=6))
        labels.append("no latency, see below")
    if zero_means:
        kinds.append(Line2D([], [], color=MUTED, marker=ZERO, linestyle="none", markersize=6))
        labels.append(f"no misses ({zero_means.partition(': ')[2] or zero_means})")
    return [Legend("Backend", colours, list(backends)), Legend("Line", kinds, labels)]
