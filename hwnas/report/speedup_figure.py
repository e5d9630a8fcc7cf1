"""The speedup figure: bars with intervals, and the number beside each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import Selection
from hwnas.report.context import figure_footer, omission_notes
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure, part_for_bars
from hwnas.report.order import shortened, title
from hwnas.report.speedups import Bar, shared_properties
from hwnas.report.style import INK, MUTED, backend_colours

_BAR_IN = 0.2
_ROW_GAP_IN = 0.08
_NAME_GAP_IN = 0.12
_CHARACTER_IN = 0.078
#: Part of the axis that is kept free for the numbers beside the longest bar; more where they need it.
_ROOM_FOR_NUMBERS = 0.34
#: Of a reason in place of a bar, and the width of one at 8 points [in].
_MOST_CHARACTERS, _LEAST_CHARACTERS = 60, 12
_SMALL_CHARACTER_IN = 0.065


@dataclass(frozen=True)
class _Placed:
    """A bar and the place of its middle, in inches from the top of the panel."""

    bar: Bar
    y: float


def draw_speedups(bars: Sequence[Bar], selection: Selection) -> Figure:
    """Draw the bars; call it within :func:`hwnas.report.style.styled`.

    Args:
        bars: As :func:`hwnas.report.speedups.speedup_bars` gives them; at least one has a speedup.
        selection: Where they come from.
    """
    colours = backend_colours(b.backend for b in bars)
    placed, height = _place(bars)
    names = max(len(_name(b.network)) for b in bars) * 1.15
    labels = max(len(b.label) for b in bars)
    left = 0.35 + _CHARACTER_IN * (names + labels) + (0.2 if labels else 0.0)
    marks = "Whiskers: 95 % intervals."
    if any(len(b.members) > 1 for b in bars):
        marks = "Bars: geometric mean over networks; dots: each; whiskers: 95 % interval of a single one."
    arm = f" of {next(iter(colours))}" if len(colours) == 1 else ""
    shared = ", ".join(shared_properties(selection.cells)).capitalize()
    frame = Frame(
        title=f"Speedup{arm} over {selection.baseline}",
        subtitle=" ".join([*([f"{shared}."] if shared else []), "Longer is faster.", marks]),
        legends=[Legend("Backend", [Patch(color=c) for c in colours.values()], list(colours))]
        if len(colours) > 1
        else [],
        notes=omission_notes(selection.cells),
        footer=figure_footer(selection, selection.cells),
    )
    grid = Grid(1, 1, height=height, left=left, above=0.1, below=0.4)
    figure, (axis,) = new_figure(frame, grid)
    largest = max(1.0, *(max(b.high or 0.0, *b.members) for b in bars if b.members))
    numbers = [_number(b, b.speedup) for b in bars if b.speedup is not None]
    end = largest / min(1 - _ROOM_FOR_NUMBERS, part_for_bars(grid, numbers))
    axis.set_xlim(0, end)
    axis.set_ylim(height, 0)
    axis.set_yticks([])
    axis.grid(False)  # the numbers stand beside the bars
    ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, largest)
    axis.set_xticks([tick for tick in ticks if tick <= largest * 1.05])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}×"))
    axis.tick_params(length=3)
    axis.axvline(1.0, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), zorder=3)
    # Reasons begin where a speedup of 1 ends.
    room = int(grid.width * (1 - 1 / end) / _SMALL_CHARACTER_IN)
    characters = max(_LEAST_CHARACTERS, min(_MOST_CHARACTERS, room))
    for item in placed:
        _draw_bar(axis, item, colours[item.bar.backend], characters)
    _write_names(axis, placed, left - 0.25)
    return figure


def _place(bars: Sequence[Bar]) -> tuple[list[_Placed], float]:
    """Bars of one network close together, networks of one name in a block."""
    placed = []
    y = _ROW_GAP_IN
    for _, block in groupby(bars, key=lambda b: b.network):
        for _, row in groupby(block, key=lambda b: b.label):
            for bar in row:
                placed.append(_Placed(bar, y + _BAR_IN / 2))
                y += _BAR_IN
            y += _ROW_GAP_IN
        y += _NAME_GAP_IN
    return placed, y - _NAME_GAP_IN


def _draw_bar(axis: Axes, item: _Placed, colour: str, characters: int) -> None:
    """A bar with its number, or why there is none in at most so many characters."""
    bar, y = item.bar, item.y
    if bar.speedup is None:
        text = textwrap.shorten(bar.reason or "not measured", characters, placeholder=" ...")
        _write_beside(axis, text, 1.0, y, size=8, style="italic", color=MUTED)
        return
    axis.barh(y, bar.speedup, height=0.85 * _BAR_IN, color=colour, linewidth=0)
    end = bar.speedup
    if bar.low is not None and bar.high is not None:
        # Capped, and with a white rim that keeps it visible on a black bar.
        axis.errorbar(
            bar.speedup,
            y,
            xerr=[[bar.speedup - bar.low], [bar.high - bar.speedup]],
            color=INK,
            capsize=3,
            elinewidth=1.4,
            capthick=1.2,
            zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
        end = max(end, bar.high)
    else:
        axis.plot(
            bar.members,
            [y] * len(bar.members),
            "o",
            markersize=3.5,
            markerfacecolor="white",
            markeredgecolor=INK,
            markeredgewidth=0.8,
            linestyle="none",
            zorder=4,
        )
        end = max(end, *bar.members)
    _write_beside(axis, _number(bar, bar.speedup), max(end, 1.0), y, size=8.5)


def _number(bar: Bar, speedup: float) -> str:
    """What stands beside a bar."""
    if bar.low is not None and bar.high is not None:
        text = f"{speedup:.2f}× [{bar.low:.2f}, {bar.high:.2f}]"
    else:
        text = f"{speedup:.2f}× ({min(bar.members):.2f} to {max(bar.members):.2f})"
    return text + (f" {bar.verdict.lower()}" if bar.verdict in (Verdict.SAME, Verdict.UNCLEAR) else "")


def _name(network: str) -> str:
    """As it stands to the left of its bars."""
    return shortened(title(network))


def _write_beside(axis: Axes, text: str, x: float, y: float, **font: Any) -> None:
    axis.annotate(text, (x, y), (7, 0), textcoords="offset points", va="center", **font)


def _write_names(axis: Axes, placed: Sequence[_Placed], room_in: float) -> None:
    """Names to the left of the axis once a block, labels once a row, each beside its first or middle bar."""
    for network, block in groupby(placed, key=lambda p: p.bar.network):
        rows = [(label, list(row)) for label, row in groupby(block, key=lambda p: p.bar.label)]
        for n, (label, row) in enumerate(rows):
            middle = (row[0].y + row[-1].y) / 2
            if n == 0:
                axis.annotate(
                    _name(network),
                    (0, middle),
                    (-72 * room_in, 0),
                    textcoords="offset points",
                    va="center",
                    size=9,
                    weight="bold",
                )
            axis.annotate(
                label, (0, middle), (-8, 0), textcoords="offset points", ha="right", va="center", size=9
            )
