"""The fusion figure: two stacked bars a network, one colour a kind of operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from hwnas.cache_misses.operators import OPERATOR_KINDS
from hwnas.core.units import format_count
from hwnas.report.cells import Selection
from hwnas.report.context import figure_footer, plural
from hwnas.report.figure_frame import Frame, Grid, Legend, new_figure
from hwnas.report.fusion import FusionRow
from hwnas.report.order import lines_of
from hwnas.report.quantities import cache_label
from hwnas.report.style import OPERATOR_COLOURS

_BAR_IN = 0.22
_ROW_IN = 0.62
#: Rows, each a network on an accelerated arm, that one figure can hold.
_MOST_ROWS = 12

#: Over the colour of its kind.
_FUSED: Mapping[str, Any] = {"facecolor": "none", "edgecolor": "white", "hatch": "////"}


def draw_fusion(rows: Sequence[FusionRow], geometry: str, selection: Selection) -> Figure:
    """Draw one cache's rows; call it within :func:`hwnas.report.style.styled`.

    Args:
        rows: At least one.
        geometry: Their cache.
        selection: Where they come from.
    """
    further = max(0, len(rows) - _MOST_ROWS)
    rows = rows[:_MOST_ROWS]
    colours = OPERATOR_COLOURS
    kinds = [k for k in OPERATOR_KINDS if any(k in r.baseline or k in r.accelerated for r in rows)]
    fused = (
        ["fused away: runs inside another's kernel on the accelerated arm"]
        if any(r.fused for r in rows)
        else []
    )
    unknown = dict.fromkeys(r.backend for r in rows if r.fused_shares is None)
    hatched = [Patch(**{**_FUSED, "facecolor": "#888888"}) for _ in fused]
    frame = Frame(
        title=f"Whose cache misses acceleration removes ({cache_label(geometry)})",
        subtitle=f"Upper bar: {selection.baseline}. Lower bar: the accelerated arm, with its share of the "
        "misses above. One inference, modelled from the operators that each runtime really runs.",
        legends=[Legend("Operator", [*(Patch(color=colours[k]) for k in kinds), *hatched], [*kinds, *fused])],
        notes=[
            *([f"What {', '.join(unknown)} fuses is not known: no kernels are stored."] if unknown else []),
            *([f"{plural(further, 'further row')}: see the CSV file."] if further else []),
        ],
        footer=figure_footer(selection, selection.cells),
    )
    height = len(rows) * _ROW_IN
    left = 0.5 + 0.078 * max(len(line) for r in rows for line in lines_of(r.network))
    figure, (axis,) = new_figure(frame, Grid(1, 1, height=height, left=left, above=0.1))
    axis.set_ylim(height, 0)
    axis.set_yticks([])
    axis.grid(False, axis="y")
    largest = max(max(sum(r.baseline.values()), sum(r.accelerated.values())) for r in rows)
    # Beside the longest bar stands its number, and the name of its backend.
    longest = max(len(r.backend) for r in rows)
    axis.set_xlim(0, largest * (1.25 + 0.012 * longest))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v)))
    axis.set_xlabel("last-level-cache misses of one inference")
    for number, row in enumerate(rows):
        top = number * _ROW_IN + 0.08
        total, left_over = sum(row.baseline.values()), sum(row.accelerated.values())
        gone = sum(row.fused.values())
        removed = f", {gone / total:.0%} fused away" if gone else ""
        _draw_bar(axis, row.baseline, top + _BAR_IN / 2, colours, format_count(total) + removed, row.fused)
        share = f"{format_count(left_over)} ({left_over / total:.0%})" if total else format_count(left_over)
        _draw_bar(axis, row.accelerated, top + 1.5 * _BAR_IN, colours, f"{share}  {row.backend}")
        axis.annotate(
            "\n".join(lines_of(row.network)),
            (0, top + _BAR_IN),
            (-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            size=9,
        )
    return figure


def _draw_bar(
    axis: Axes,
    parts: Mapping[str, float],
    y: float,
    colours: Mapping[str, str],
    text: str,
    fused: Mapping[str, float] | None = None,
) -> None:
    """One stacked bar; what belongs to operators that fusion removed is hatched."""
    start = 0.0
    for kind in OPERATOR_KINDS:
        value = parts.get(kind, 0.0)
        axis.barh(y, value, left=start, height=0.88 * _BAR_IN, color=colours[kind], linewidth=0)
        gone = (fused or {}).get(kind, 0.0)
        if gone:
            axis.barh(y, gone, left=start, height=0.88 * _BAR_IN, linewidth=0, **_FUSED)
        start += value
    axis.annotate(text, (start, y), (5, 0), textcoords="offset points", va="center", size=8.5)
