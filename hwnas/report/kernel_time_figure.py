"""The figure of kernel times: a stacked bar for each network and arm, one colour a kind of operator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from hwnas.cache_misses.operators import OPERATOR_KINDS
from hwnas.core.units import format_seconds
from hwnas.report.cells import Selection
from hwnas.report.context import figure_footer, plural
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure, part_for_bars, room_for_names
from hwnas.report.kernel_times import KernelTimes
from hwnas.report.order import lines_of
from hwnas.report.style import OPERATOR_COLOURS

_BAR_IN = 0.22
_GAP_IN = 0.16
#: Bars that one figure can hold.
_MOST_BARS = 60


def draw_kernel_times(found: Sequence[KernelTimes], selection: Selection) -> Figure:
    """Draw those that have times; call it within :func:`hwnas.report.style.styled`.

    Args:
        found: At least one with times.
        selection: Where they come from.
    """
    timed = [k for k in found if k.times_s]
    untimed = sorted({k.cell.backend for k in found} - {k.cell.backend for k in timed})
    rows = timed[:_MOST_BARS]
    kinds = [kind for kind in OPERATOR_KINDS if any(kind in k.times_s for k in rows)]
    further = len(timed) - len(rows)
    frame = Frame(
        title="Time by kind of kernel",
        subtitle="Share of the time in all kernels. Beside each bar: their sum, and what part of the raw "
        "median latency of the same pass that is; more than all of it where profiling slows kernels down, "
        "or where the host was slower while it profiled.",
        legends=[Legend("Kernels", [Patch(color=OPERATOR_COLOURS[k]) for k in kinds], kinds)],
        notes=[
            *([f"No times of kernels are stored for {', '.join(untimed)}."] if untimed else []),
            *([f"{plural(further, 'further bar')}: see the CSV file."] if further else []),
        ],
        footer=figure_footer(selection, [k.cell for k in rows]),
    )
    blocks = [(name, list(block)) for name, block in groupby(rows, key=lambda k: k.network)]
    height = sum(len(block) * _BAR_IN + _GAP_IN for _, block in blocks) + _GAP_IN
    lines = {name: lines_of(name) for name, _ in blocks}
    left = room_for_names([line for own in lines.values() for line in own])
    grid = Grid(1, 1, height=height, left=left, above=0.1)
    figure, (axis,) = new_figure(frame, grid)
    axis.set_ylim(height, 0)
    axis.set_yticks([])
    axis.grid(False, axis="y")
    axis.set_xlim(0, 1 / part_for_bars(grid, [_text(k) for k in rows]))
    axis.set_xticks([0, 0.5, 1.0])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
    axis.set_xlabel("share of the time in kernels")
    y = _GAP_IN
    for name, block in blocks:
        middle = y + len(block) * _BAR_IN / 2
        axis.annotate(
            "\n".join(lines[name]),
            (0, middle),
            (-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            size=9,
        )
        for row in block:
            _draw_bar(axis, row, y + _BAR_IN / 2)
            y += _BAR_IN
        y += _GAP_IN
    return figure


def _draw_bar(axis: Axes, row: KernelTimes, y: float) -> None:
    total = row.sum_s or 0.0
    start = 0.0
    for kind, time_s in row.times_s.items():
        share = time_s / total if total else 0.0
        axis.barh(y, share, left=start, height=0.88 * _BAR_IN, color=OPERATOR_COLOURS[kind], linewidth=0)
        start += share
    axis.annotate(_text(row), (1.0, y), (7, 0), textcoords="offset points", va="center", size=8.5)


def _text(row: KernelTimes) -> str:
    """What stands beside a bar."""
    total = row.sum_s or 0.0
    part = f" ({total / row.beside_s:.0%} of the latency)" if row.beside_s else ""
    return f"{row.cell.backend}  {format_seconds(total)}{part}"
