"""The frame around the panels of a figure: title, legends, notes and footer, none over another."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwnas.report.style import MUTED

WIDTH_IN = 10.0
_EDGE_IN = 0.25
#: Width of a character at 9 points, on the wide side [in].
CHARACTER_IN = 0.08
_LINE_IN = 0.17
_TITLE_IN = 0.34
_LEGEND_IN = 0.27
#: Characters of small type that fit into the width: 8 points of DejaVu Sans take about 0.06 in each.
_CHARACTERS = 150
_LEGEND_CHARACTERS = 125


@dataclass(frozen=True)
class Legend:
    """One line of a legend.

    Args:
        title: What the marks tell apart.
        handles: The marks.
        labels: What they stand for.
    """

    title: str
    handles: Sequence[Artist]
    labels: Sequence[str]


@dataclass(frozen=True)
class Frame:
    """Everything around the panels.

    Args:
        title: What the figure shows.
        subtitle: What holds for all of it.
        legends: Lines of legend, one below the other.
        notes: What is missing, and why.
        footer: Where and how it was measured.
    """

    title: str
    subtitle: str
    legends: Sequence[Legend]
    notes: Sequence[str]
    footer: Sequence[str]


@dataclass(frozen=True)
class Grid:
    """The panels' places, in inches.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        height: Of one panel.
        left: Room for the labels of the y axis.
        right: Room on the other side.
        between: Horizontal and vertical gap between panels.
        below: Room for the labels of the x axis.
        above: Room for the panels' titles.
    """

    rows: int
    columns: int
    height: float
    left: float = 0.8
    right: float = 0.25
    between: tuple[float, float] = (0.2, 0.5)
    below: float = 0.55
    above: float = 0.3

    @property
    def width(self) -> float:
        """Of one panel."""
        return (WIDTH_IN - self.left - self.right - (self.columns - 1) * self.between[0]) / self.columns


def new_figure(frame: Frame, grid: Grid) -> tuple[Figure, list[Axes]]:
    """A figure with its frame drawn and `rows` x `columns` empty panels, row by row.

    Panels share both axes.
    """
    notes = _wrapped(frame.notes)
    footer = _wrapped(frame.footer)
    subtitle = _wrapped([frame.subtitle])
    rows = [(legend, chunk) for legend in frame.legends for chunk in _chunks(legend)]
    top = _EDGE_IN + _TITLE_IN + len(subtitle) * _LINE_IN + 0.08 + len(rows) * _LEGEND_IN + grid.above
    small = (len(notes) + len(footer)) * _LINE_IN + (0.1 if notes else 0.0)
    bottom = grid.below + small + _EDGE_IN
    panels = grid.rows * grid.height + (grid.rows - 1) * grid.between[1]
    height = top + panels + bottom

    figure = Figure(figsize=(WIDTH_IN, height))
    x = _EDGE_IN / WIDTH_IN
    y = _EDGE_IN
    figure.text(x, 1 - y / height, frame.title, size=14, weight="bold", va="top")
    y += _TITLE_IN
    for line in subtitle:
        figure.text(x, 1 - y / height, line, size=9, color=MUTED, va="top")
        y += _LINE_IN
    y += 0.08
    for legend, (handles, labels, title) in rows:
        _draw_legend(figure, legend, handles, labels, title, 1 - (y + _LEGEND_IN / 2) / height)
        y += _LEGEND_IN
    y = _EDGE_IN + small
    for line in notes:
        figure.text(x, y / height, line, size=8, va="top")
        y -= _LINE_IN
    y -= 0.1 if notes else 0.0
    for line in footer:
        figure.text(x, y / height, line, size=8, color=MUTED, va="top")
        y -= _LINE_IN

    width = grid.width
    axes: list[Axes] = []
    for row in range(grid.rows):
        for column in range(grid.columns):
            left = grid.left + column * (width + grid.between[0])
            up = bottom + (grid.rows - 1 - row) * (grid.height + grid.between[1])
            place = (left / WIDTH_IN, up / height, width / WIDTH_IN, grid.height / height)
            first = axes[0] if axes else None
            axes.append(figure.add_axes(place, sharex=first, sharey=first))
    return figure, axes


def part_for_bars(grid: Grid, texts: Sequence[str], beside_in: float = 0.2) -> float:
    """How much of a panel's width bars may take, so that the longest text beside them fits.

    Args:
        grid: The panel's.
        texts: At 9 points or less.
        beside_in: Before and after the text.
    """
    room = max(map(len, texts)) * CHARACTER_IN + beside_in
    return max(0.15, 1 - room / grid.width)


def room_for_names(names: Sequence[str]) -> float:
    """Room to the left of a panel for names at 9 points [in]."""
    return 0.4 + CHARACTER_IN * max(map(len, names))


def _wrapped(texts: Sequence[str]) -> list[str]:
    return [line for text in texts if text for line in textwrap.wrap(text, _CHARACTERS, break_on_hyphens=False)]


def _chunks(legend: Legend) -> list[tuple[list[Artist], list[str], str]]:
    """The entries of a legend in lines that fit; only the first one bears the title."""
    lines: list[tuple[list[Artist], list[str], str]] = [([], [], legend.title)]
    used = len(legend.title)
    for handle, label in zip(legend.handles, legend.labels, strict=True):
        if lines[-1][0] and used + len(label) + 8 > _LEGEND_CHARACTERS:
            lines.append(([], [], ""))
            used = len(legend.title)
        lines[-1][0].append(handle)
        lines[-1][1].append(label)
        used += len(label) + 8
    return lines


def _draw_legend(
    figure: Figure, legend: Legend, handles: list[Artist], labels: list[str], title: str, y: float
) -> None:
    x = _EDGE_IN / WIDTH_IN
    figure.text(x, y, title, size=9, weight="bold", va="center")
    figure.legend(
        handles,
        labels,
        loc="center left",
        bbox_to_anchor=((_EDGE_IN + 0.75) / WIDTH_IN, y),
        ncols=len(labels),
        borderpad=0,
        borderaxespad=0,
        handlelength=2.6,
        columnspacing=1.8,
        fontsize=9,
    )
