"""The depth and width figures: latency or cache misses of one image, one panel a pattern."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from hwnas.core.units import format_count
from hwnas.report.cells import Cell, Selection
from hwnas.report.context import figure_footer, omission_notes, plural, threads
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure
from hwnas.report.quantities import LATENCY, Quantity
from hwnas.report.style import MUTED, BatchStyle, backend_colours, batch_styles
from hwnas.report.sweeps import Line, Sweep

#: Below this ratio of the largest to the smallest latency, a logarithmic axis might show no tick at all.
_LEAST_SPAN = 4.0
_PANEL_IN = 2.35
#: Marks a value of zero at the foot of a panel.
_ZERO = "$0$"


def draw_sweep(sweep: Sweep, selection: Selection, quantity: Quantity = LATENCY) -> Figure:
    """Draw one sweep; call it within :func:`hwnas.report.style.styled`.

    Args:
        sweep: What to draw.
        selection: Where it comes from, for the footer.
        quantity: What to show of each cell.
    """
    backends = backend_colours(
        line.backend for lines in sweep.panels.values() for line in lines if _points(line, quantity)
    )
    batches = batch_styles(line.batch for lines in sweep.panels.values() for line in lines)
    columns = len(sweep.panels) if len(sweep.panels) < 4 else 2 if len(sweep.panels) == 4 else 3
    rows = math.ceil(len(sweep.panels) / columns)
    # A latency that is missing has a reason to tell; misses are often sampled.
    crosses = quantity is LATENCY and any(c.estimate is None and c.backend in backends for c in sweep.cells)
    zeros = any(quantity.is_zero(c) for c in sweep.cells)
    frame = Frame(
        title=f"{quantity.title} over {sweep.axis}",
        subtitle=_subtitle(sweep, batches, quantity),
        legends=_legends(backends, batches, crosses, quantity.zero_means if zeros else ""),
        notes=_notes(sweep, backends),
        footer=figure_footer(selection, sweep.cells),
    )
    figure, axes = new_figure(frame, Grid(rows, columns, height=_PANEL_IN if rows > 1 else 2.8))
    _set_scales(axes[0], sweep, crosses or zeros, quantity)
    for place, (axis, (name, lines)) in enumerate(zip(axes, sweep.panels.items(), strict=False)):
        axis.set_title(name.replace("_", " "), loc="left", size=10, weight="bold")
        for line in lines:
            if line.backend in backends:
                _draw_line(axis, sweep.values, line, backends[line.backend], batches[line.batch], quantity)
        if crosses:
            _draw_at_foot(axis, sweep.values, lines, backends, "x", lambda c: c.estimate is None)
        if zeros:
            _draw_at_foot(axis, sweep.values, lines, backends, _ZERO, quantity.is_zero)
        lowest = place + columns >= len(sweep.panels)
        axis.tick_params(labelbottom=lowest, labelleft=place % columns == 0, length=3)
        if lowest:
            axis.set_xlabel(_axis_label(sweep))
        if place % columns == 0:
            axis.set_ylabel(quantity.label)
    for unused in axes[len(sweep.panels) :]:
        unused.remove()
    return figure


def _points(line: Line, quantity: Quantity) -> bool:
    return any(c is not None and (quantity.read(c) or quantity.is_zero(c)) for c in line.cells)


def _axis_label(sweep: Sweep) -> str:
    return "depth [blocks]" if sweep.axis == "depth" else "width [channels]"


def _subtitle(sweep: Sweep, batches: dict[int, BatchStyle], quantity: Quantity) -> str:
    fixed = f"width {sweep.fixed}" if sweep.axis == "depth" else f"depth {sweep.fixed}"
    batch = [f"batch {b}" for b in batches] if len(batches) == 1 else []
    parts = [fixed, f"feature maps {sweep.image}", *batch, threads(sweep.cells)]
    return f"{', '.join(parts).capitalize()}. {quantity.scale_note}"


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
        marks.append(Line2D([], [], color=MUTED, marker=_ZERO, linestyle="none", markersize=6))
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


def _set_scales(axis: Axes, sweep: Sweep, marks_at_foot: bool, quantity: Quantity) -> None:
    """Both scales of the first panel, which the others share."""
    ends = [v for c in sweep.cells for v in quantity.read(c) or ()]
    low, high = min(ends), max(ends)
    spread = max(1.0, math.sqrt(_LEAST_SPAN / (high / low)))
    margin = (high / low * spread**2) ** 0.05
    # Marks of cells without a point stand below the lines.
    room = margin**3 if marks_at_foot else margin
    axis.set_yscale("log")
    axis.set_ylim(low / spread / room, high * spread * margin)
    wide = high / low > 200
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if v < 1e4 else format_count(v)))
    if sweep.axis == "width":
        axis.set_xscale("log", base=2)
    if len(sweep.values) <= 8:
        axis.xaxis.set_major_locator(FixedLocator(sweep.values))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    first, last = sweep.values[0], sweep.values[-1]
    if sweep.axis == "width":
        edge = (last / first) ** 0.06
        axis.set_xlim(first / edge, last * edge)
    else:
        edge = 0.06 * (last - first)
        axis.set_xlim(first - edge, last + edge)


def _draw_line(
    axis: Axes, values: Sequence[int], line: Line, colour: str, batch: BatchStyle, quantity: Quantity
) -> None:
    """A line with its band; it breaks where a cell was not measured."""
    missing = (math.nan,) * 3
    middle, low, high = np.array([(c and quantity.read(c)) or missing for c in line.cells]).T
    axis.fill_between(values, low, high, color=colour, alpha=0.25, linewidth=0)
    # A band has no width at a point without neighbours, so every point shows its interval too.
    axis.vlines(values, low, high, color=colour, linewidth=1.2)
    axis.plot(
        values,
        middle,
        color=colour,
        linestyle=batch.line,
        linewidth=1.5,
        marker=batch.marker,
        markersize=batch.size,
        markerfacecolor="white",
        markeredgewidth=1.2,
        label=f"{line.backend} batch {line.batch}",
    )


def _draw_at_foot(
    axis: Axes,
    values: Sequence[int],
    lines: Sequence[Line],
    backends: dict[str, str],
    marker: str,
    chosen: Callable[[Cell], bool],
) -> None:
    """A mark at the foot of the panel for each chosen cell, stacked where several meet."""
    height: Counter[int] = Counter()
    for line in lines:
        if line.backend not in backends:
            continue
        for value, cell in zip(values, line.cells, strict=True):
            if cell is None or not chosen(cell):
                continue
            axis.plot(
                [value],
                [0.04 + 0.055 * height[value]],
                transform=axis.get_xaxis_transform(),
                color=backends[line.backend],
                marker=marker,
                markersize=5,
                markeredgewidth=1.4 if marker == "x" else 0.3,
                linestyle="none",
            )
            height[value] += 1


def _notes(sweep: Sweep, backends: dict[str, str]) -> list[str]:
    notes = omission_notes(sweep.cells)
    gaps = sum(
        c is None for lines in sweep.panels.values() for x in lines if x.backend in backends for c in x.cells
    )
    if gaps:
        notes.append(f"Gaps without a cross: {plural(gaps, 'cell')} that no campaign has tried yet.")
    return notes
