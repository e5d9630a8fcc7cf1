"""The figure of whole networks: latency of every arm, and the speedup beside it (the study's figure 5)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from hwnas.core.units import format_seconds
from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import Cell, Selection
from hwnas.report.context import figure_footer, omission_notes, plural, threads
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure, part_for_bars, room_for_names
from hwnas.report.network_rows import NetworkRow
from hwnas.report.order import image, lines_of
from hwnas.report.quantities import LATENCY
from hwnas.report.style import INK, MUTED, backend_colours

_BAR_IN = 0.2
_GAP_IN = 0.14
#: Where the second text begins: beyond the widest speedup [points].
_SECOND_TEXT = 48
_REASON_CHARACTERS = 60
#: Networks that one figure can hold.
_MOST_NETWORKS = 30


def draw_networks(rows: Sequence[NetworkRow], selection: Selection) -> Figure:
    """Draw the networks of one number of threads; call it within :func:`hwnas.report.style.styled`.

    Args:
        rows: At least one, as :func:`hwnas.report.network_rows.network_rows` gives them.
        selection: Where they come from.
    """
    keys = dict.fromkeys(row.workload.key for row in rows)
    shown = set(list(keys)[:_MOST_NETWORKS])
    further = len(keys) - len(shown)
    rows = [row for row in rows if row.workload.key in shown]
    told = [row for row in rows if row.note]
    cells = [c for row in rows for c in row.cells]
    everything = [c for c in selection.cells if c.workload.kind != "pattern" and c.threads == cells[0].threads]
    colours = backend_colours(c.backend for c in cells)
    inputs = {image(c.workload) for c in cells}
    beside = f"{selection.baseline}{', or over the arm that a note names,' if told else ''}"
    facts = [threads(cells), *([f"input {inputs.pop()}"] if len(inputs) == 1 else [])]
    frame = Frame(
        title="Whole networks: latency, and speedup by acceleration",
        subtitle=f"{', '.join(facts).capitalize()}. Shorter is faster; logarithmic scale. Bold: speedup over "
        f"{beside} from rounds side by side. Brackets and whiskers: 95 % intervals.",
        legends=[Legend("Backend", [Patch(color=c) for c in colours.values()], list(colours))],
        notes=[
            *(f"{row.name}: {row.note}; bold is the speedup over {row.baseline}." for row in told),
            *([f"{plural(further, 'slower network')}: see the CSV file."] if further else []),
            *omission_notes(everything),
        ],
        footer=figure_footer(selection, cells),
    )
    height = sum(len(r.cells) * _BAR_IN + _GAP_IN for r in rows) + _GAP_IN
    left = room_for_names([line for r in rows for line in lines_of(r.name)])
    grid = Grid(1, 1, height=height, left=left, above=0.1)
    figure, (axis,) = new_figure(frame, grid)
    part = part_for_bars(grid, [_beside(c) for c in cells], _SECOND_TEXT / 72 + 0.2)
    _set_scales(axis, cells, height, part)
    y = _GAP_IN
    for row in rows:
        middle = y + len(row.cells) * _BAR_IN / 2
        axis.annotate(
            "\n".join(lines_of(row.name)),
            (0, middle),
            (-8, 0),
            xycoords=axis.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            size=9,
        )
        for cell in row.cells:
            _draw_bar(axis, cell, y + _BAR_IN / 2, colours[cell.backend])
            y += _BAR_IN
        y += _GAP_IN
    return figure


def _set_scales(axis: Axes, cells: Sequence[Cell], height: float, part: float) -> None:
    """Bars take a part of the width; text stands beside them."""
    ends = [v for c in cells for v in LATENCY.read(c) or ()]
    low, high = min(ends) / 2, max(ends)
    axis.set_xscale("log")
    axis.set_xlim(low, low * (high / low) ** (1 / part))
    axis.set_ylim(height, 0)
    axis.set_yticks([])
    axis.grid(False, axis="y")
    ticks = LogLocator(subs=(1.0, 2.0, 5.0)).tick_values(low, high)
    axis.set_xticks([t for t in ticks if low <= t <= high * 1.05])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_xlabel(LATENCY.label)


def _draw_bar(axis: Axes, cell: Cell, y: float, colour: str) -> None:
    """One arm: its bar, and beside it the speedup in bold and the latency."""
    found = LATENCY.read(cell)
    start = axis.get_xlim()[0]
    if found is None:
        why = f"not measured: {cell.status}, {' '.join(cell.reason.split())}"
        text = textwrap.shorten(why, _REASON_CHARACTERS, placeholder=" ...")
        _write(axis, text, start, y, 5, style="italic", color=MUTED, size=8)
        return
    value, low, high = found
    axis.barh(y, value - start, left=start, height=0.85 * _BAR_IN, color=colour, linewidth=0)
    axis.errorbar(
        value,
        y,
        xerr=[[value - low], [high - value]],
        color=INK,
        capsize=2.5,
        elinewidth=1.2,
        capthick=1.0,
        zorder=4,
        path_effects=[withStroke(linewidth=2.6, foreground="white")],
    )
    comparison = cell.comparison
    if comparison is not None:
        _write(axis, f"{comparison.speedup:.2f}×", high, y, 7, weight="bold", size=9)
    _write(axis, _beside(cell), high, y, 7 if comparison is None else _SECOND_TEXT, size=8.5)


def _beside(cell: Cell) -> str:
    """What stands beside a bar, after the speedup: its interval, what is not sure of it, and the latency."""
    found, c = LATENCY.read(cell), cell.comparison
    if found is None:
        return ""
    shown = format_seconds(found[0] * 1e-3)
    if c is None:
        return shown
    unsure = f" {c.verdict.lower()}" if c.verdict in (Verdict.SAME, Verdict.UNCLEAR) else ""
    return f"[{c.low:.2f}, {c.high:.2f}]{unsure}  {shown}"


def _write(axis: Axes, text: str, x: float, y: float, offset: float, **font: Any) -> None:
    axis.annotate(text, (x, y), (offset, 0), textcoords="offset points", va="center", **font)
