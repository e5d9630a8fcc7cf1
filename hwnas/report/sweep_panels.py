"""The panels of figures over depth or width: their scales, lines and marks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from hwnas.core.units import format_count
from hwnas.report.cells import Cell
from hwnas.report.context import plural, threads
from hwnas.report.quantities import Quantity
from hwnas.report.style import BatchStyle
from hwnas.report.sweeps import Line, Sweep

#: Height of a panel where there are several rows, and of one alone [in].
PANEL_IN, ONLY_PANEL_IN = 2.35, 2.8
#: Marks a value of zero at the foot of a panel.
ZERO = "$0$"

#: Below this ratio of the largest to the smallest value, a logarithmic axis might show no tick at all.
_LEAST_SPAN = 4.0
#: Above this one, ticks at 2 and 5 would crowd.
_WIDE = 200.0


def columns_of(panels: int) -> int:
    """In how many columns so many panels stand."""
    return panels if panels < 4 else 2 if panels == 4 else 3


def axis_label(sweep: Sweep) -> str:
    """What the x axis shows."""
    return "depth [blocks]" if sweep.axis == "depth" else "width [channels]"


def conditions(sweep: Sweep, batches: Sequence[int]) -> str:
    """What all cells of a sweep share, as the beginning of a subtitle."""
    fixed = f"width {sweep.fixed}" if sweep.axis == "depth" else f"depth {sweep.fixed}"
    batch = [f"batch {b}" for b in batches] if len(batches) == 1 else []
    return ", ".join([fixed, f"feature maps {sweep.image}", *batch, threads(sweep.cells)]).capitalize()


def gaps_note(sweep: Sweep, backends: Mapping[str, str]) -> list[str]:
    """What a gap without a cross says, where there is one."""
    lines = [x for found in sweep.panels.values() for x in found if x.backend in backends]
    gaps = sum(c is None for x in lines for c in x.cells)
    return [f"Gaps without a cross: {plural(gaps, 'cell')} that no campaign has tried yet."] if gaps else []


def uncounted_note(sweep: Sweep, backends: Mapping[str, str], quantity: Quantity) -> list[str]:
    """What a gap in a line of misses says where there is a latency."""
    lines = [x for found in sweep.panels.values() for x in found if x.backend in backends]
    measured = [c for x in lines for c in x.cells if c is not None and c.estimate]
    count = sum(quantity.read(c) is None and not quantity.is_zero(c) for c in measured)
    return [f"Misses of {plural(count, 'cell')} were not counted by this source."] if count else []


def points(line: Line, quantity: Quantity) -> bool:
    """Whether a line has anything to show."""
    return any(c is not None and (quantity.read(c) or quantity.is_zero(c)) for c in line.cells)


def span(cells: Sequence[Cell], quantity: Quantity) -> tuple[float, float]:
    """The ends of the axis that holds every interval, with enough room for a tick."""
    ends = [v for c in cells for v in quantity.read(c) or ()]
    low, high = min(ends), max(ends)
    spread = max(1.0, math.sqrt(_LEAST_SPAN / (high / low)))
    return low / spread, high * spread


def set_y_scale(axis: Axes, ends: tuple[float, float], *, foot: bool) -> None:
    """A logarithmic scale from a little below to a little above `ends`.

    Args:
        axis: The panel.
        ends: As :func:`span` gives them.
        foot: Whether marks of cells without a point stand below the lines.
    """
    low, high = ends
    margin = (high / low) ** 0.05
    axis.set_yscale("log")
    axis.set_ylim(low / (margin**3 if foot else margin), high * margin)
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > _WIDE else (1.0, 2.0, 5.0)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if v < 1e4 else format_count(v)))


def set_x_scale(axis: Axes, sweep: Sweep) -> None:
    """The values of the sweep; widths double, so theirs is logarithmic."""
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


def draw_line(
    axis: Axes, values: Sequence[int], line: Line, colour: str, style: BatchStyle, quantity: Quantity
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
        linestyle=style.line,
        linewidth=1.5,
        marker=style.marker,
        markersize=style.size,
        markerfacecolor="white",
        markeredgewidth=1.2,
        label=f"{line.backend} batch {line.batch}",
    )


def draw_at_foot(
    axis: Axes,
    values: Sequence[int],
    lines: Sequence[Line],
    backends: Mapping[str, str],
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
