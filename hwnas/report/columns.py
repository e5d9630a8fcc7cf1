"""What a report says of a cell, column by column: for the terminal's tables and the page's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.measurement import Status
from hwnas.core.units import format_count
from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import IS_BASELINE, Cell
from hwnas.report.context import omissions, threads
from hwnas.report.order import Axis, image, number

VERDICT_STYLES = {
    Verdict.FASTER: "bold green",
    Verdict.SLOWER: "bold red",
    Verdict.SAME: "cyan",
    Verdict.UNCLEAR: "yellow",
}
_STATUS_STYLES = {Status.FAILED: "red", Status.REFUSED: "yellow", Status.SKIPPED: "dim"}


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Args:
        header: Its heading.
        value: What a cell shows in it.
        right: Align to the right.
        droppable: Goes where the terminal is too narrow; the highest goes first.
        spoken: For a property that has a column only in sections in which it differs: its value in
            words, for the headings of the other sections.
    """

    header: str
    value: Callable[[Cell], Text]
    right: bool = False
    droppable: int = 0
    spoken: Callable[[Cell], str] | None = None


def interval(value: float, low: float, high: float, unit: str = "", most_decimals: int = 9) -> str:
    """A value with three significant digits and its interval with the same decimals: ``8.12 [8.05, 8.20]``."""
    shown = float(f"{value:.3g}")
    decimals = min(max(0, 2 - math.floor(math.log10(abs(shown)))), most_decimals) if shown else 0
    return f"{value:.{decimals}f}{unit} [{low:.{decimals}f}, {high:.{decimals}f}]"


class Columns:
    """The columns that some cells fill.

    Args:
        cells: At least one.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self.note = {(o.status, o.reason): n for n, o in enumerate(omissions(cells), 1)}
        self.properties = self._filled(self._property_columns())
        self.results = self._filled(self._result_columns())

    def _filled(self, columns: Sequence[Column]) -> list[Column]:
        return [c for c in columns if any(c.value(cell).plain for cell in self._cells)]

    def _property_columns(self) -> list[Column]:
        def axis(name: Axis) -> Column:
            def value(cell: Cell) -> str:
                found = number(cell.workload, name)
                return "" if found is None else str(found)

            return Column(name, lambda c: Text(value(c)), right=True, spoken=lambda c: f"{name} {value(c)}")

        return [
            axis("depth"),
            axis("width"),
            Column("input", lambda c: Text(input_shape([c]))),
            Column(
                "batch",
                lambda c: Text(str(c.workload.batch)),
                True,
                spoken=lambda c: f"batch {c.workload.batch}",
            ),
            Column("threads", lambda c: Text(str(c.threads)), True, spoken=lambda c: threads([c])),
        ]

    def _result_columns(self) -> list[Column]:
        return [
            Column("latency [ms]", self._latency),
            Column(
                "raw [ms]",
                lambda c: Text(digits(c.estimate.raw_median_s * 1e3) if c.estimate else ""),
                True,
                2,
            ),
            Column("speedup", _speedup),
            Column("verdict", _verdict),
            Column("noise", lambda c: Text(", ".join(c.flags), "yellow")),
            Column("MACs", lambda c: Text(_macs(c)), True, 3, spoken=_macs),
            Column("GMAC/s", lambda c: Text(_rate(c)), True, 1),
            *self._miss_columns(),
        ]

    def _miss_columns(self) -> list[Column]:
        """One column a source and geometry: their values are not comparable."""
        kinds = dict.fromkeys((m.source, m.geometry) for cell in self._cells for m in cell.cache_misses)

        def column(source: str, geometry: str | None) -> Column:
            def value(cell: Cell) -> Text:
                found = [m for m in cell.cache_misses if (m.source, m.geometry) == (source, geometry)]
                if not found:
                    return Text()
                misses = found[0].value
                return Text("not counted", "dim") if misses is None else Text(format_count(misses))

            return Column(f"LLC misses ({_where(source, geometry)})", value, True, 4)

        return [column(*kind) for kind in kinds]

    def _latency(self, cell: Cell) -> Text:
        e = cell.estimate
        if e is None:
            note = self.note[cell.status, cell.reason]
            return Text(f"{cell.status} ({note})", _STATUS_STYLES.get(cell.status, ""))
        return Text(interval(e.latency_s * 1e3, e.low_s * 1e3, e.high_s * 1e3))


def _where(source: str, geometry: str | None) -> str:
    """Where a count comes from: ``model, 32 MiB, 16 ways``, or ``pmu`` for the processor's own cache."""
    if geometry is None:
        return source
    return f"{source}, {CacheGeometry.of(geometry).short_label}"


def input_shape(cells: Sequence[Cell]) -> str:
    """The input without its batch; of cells whose channels differ, the image size that they share."""
    shapes = {"x".join(str(d) for d in c.workload.input_shape[1:]) for c in cells}
    return shapes.pop() if len(shapes) == 1 else image(cells[0].workload)


def _speedup(cell: Cell) -> Text:
    c = cell.comparison
    if c is not None:
        return Text(interval(c.speedup, c.low, c.high, "x", most_decimals=2))
    if cell.estimate is None:
        return Text()
    return Text(IS_BASELINE if cell.no_comparison == IS_BASELINE else "none", "dim")


def _verdict(cell: Cell) -> Text:
    c = cell.comparison
    return Text(str(c.verdict), VERDICT_STYLES[c.verdict]) if c else Text()


def digits(value: float) -> str:
    """A value with three significant digits."""
    return interval(value, value, value).partition(" ")[0]


def _macs(cell: Cell) -> str:
    return "" if cell.macs is None else format_count(cell.macs)


def _rate(cell: Cell) -> str:
    if cell.estimate is None or cell.macs is None:
        return ""
    return digits(cell.macs / cell.estimate.latency_s * 1e-9)


def why(cell: Cell) -> str:
    """What is missing and why: a latency, some passes, or a speedup."""
    compared = cell.estimate is None or cell.no_comparison in ("", IS_BASELINE)
    return "; ".join(part for part in (cell.reason, "" if compared else cell.no_comparison) if part)
