"""The depth and width figures: latency or cache misses of one image, one panel a pattern."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hwnas.report.cells import Selection
from hwnas.report.context import figure_footer, omission_notes
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure
from hwnas.report.quantities import LATENCY, Quantity
from hwnas.report.style import MUTED, BatchStyle, backend_colours, batch_styles
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
from hwnas.report.sweeps import Sweep


def draw_sweep(sweep: Sweep, selection: Selection, quantity: Quantity = LATENCY) -> Figure:
    """Draw one sweep; call it within :func:`hwnas.report.style.styled`.

    Args:
        sweep: What to draw.
        selection: Where it comes from, for the footer.
        quantity: What to show of each cell.
    """
    backends = backend_colours(
        line.backend for lines in sweep.panels.values() for line in lines if points(line, quantity)
    )
    batches = batch_styles(line.batch for lines in sweep.panels.values() for line in lines)
    columns = columns_of(len(sweep.panels))
    rows = math.ceil(len(sweep.panels) / columns)
    # A latency that is missing has a reason to tell; misses are often sampled.
    crosses = quantity is LATENCY and any(c.estimate is None and c.backend in backends for c in sweep.cells)
    zeros = any(quantity.is_zero(c) for c in sweep.cells)
    frame = Frame(
        title=f"{quantity.title} over {sweep.axis}",
        subtitle=f"{conditions(sweep, list(batches))}. {quantity.scale_note}",
        legends=_legends(backends, batches, crosses, quantity.zero_means if zeros else ""),
        notes=[
            *omission_notes(sweep.cells),
            *gaps_note(sweep, backends),
            *uncounted_note(sweep, backends, quantity),
        ],
        footer=figure_footer(selection, sweep.cells),
    )
    figure, axes = new_figure(frame, Grid(rows, columns, height=PANEL_IN if rows > 1 else ONLY_PANEL_IN))
    set_y_scale(axes[0], span(sweep.cells, quantity), foot=crosses or zeros)
    set_x_scale(axes[0], sweep)
    for place, (axis, (name, lines)) in enumerate(zip(axes, sweep.panels.items(), strict=False)):
        axis.set_title(name.replace("_", " "), loc="left", size=10, weight="bold")
        for line in lines:
            if line.backend in backends:
                draw_line(axis, sweep.values, line, backends[line.backend], batches[line.batch], quantity)
        if crosses:
            draw_at_foot(axis, sweep.values, lines, backends, "x", lambda c: c.estimate is None)
        if zeros:
            draw_at_foot(axis, sweep.values, lines, backends, ZERO, quantity.is_zero)
        lowest = place + columns >= len(sweep.panels)
        axis.tick_params(labelbottom=lowest, labelleft=place % columns == 0, length=3)
        if lowest:
            axis.set_xlabel(axis_label(sweep))
        if place % columns == 0:
            axis.set_ylabel(quantity.label)
    for unused in axes[len(sweep.panels) :]:
        unused.remove()
    return figure


def _legends(
    backends: dict[str, str], batches: dict[int, BatchStyle], crosses: bool, zero_means: str
) -> list[Legend]:
    first = next(iter(batches.values()))
    one_batch = len(batches) == 1
    marks = [
        Line2D([], [], color=c, marker=first.marker, markersize=first.size, markerfacecolor="white")
        for c in backends.values()
    ]
    labels = list(backends)
    if crosses:
        marks.append(Line2D([], [], color=MUTED, marker="x", linestyle="none", markersize=6))
        labels.append("not measured, see below")
    if zero_means:
        marks.append(Line2D([], [], color=MUTED, marker=ZERO, linestyle="none", markersize=6))
        labels.append(zero_means)
    legends = [Legend("Backend", marks, labels)]
    if not one_batch:
        shapes = [
            Line2D(
                [],
                [],
                color=MUTED,
                marker=s.marker,
                linestyle=s.line,
                markersize=s.size,
                markerfacecolor="white",
            )
            for s in batches.values()
        ]
        legends.append(Legend("Batch", shapes, [str(b) for b in batches]))
    return legends
