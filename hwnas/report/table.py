"""The report as text: a table on any terminal, a wide one in a pipe."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.measurement import Status
from hwnas.core.units import format_count
from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import IS_BASELINE, Cell, Selection
from hwnas.report.context import omissions, plural, statement, threads
from hwnas.report.order import Axis, image, network_names, number, short_backends
from hwnas.report.summary import Summary, summarise

_GAP = 2
_INDENT = 2
#: A pipe has no width; what reads it must not get wrapped lines.
_PIPE_WIDTH = 10_000

_VERDICT_STYLES = {
    Verdict.FASTER: "bold green",
    Verdict.SLOWER: "bold red",
    Verdict.SAME: "cyan",
    Verdict.UNCLEAR: "yellow",
}
_STATUS_STYLES = {Status.FAILED: "red", Status.REFUSED: "yellow", Status.SKIPPED: "dim"}


@dataclass(frozen=True)
class _Column:
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


def print_report(console: Console, selection: Selection) -> None:
    """Print cells, summaries per network, and what must be known to read them.

    Args:
        console: A terminal gets sections that fit its width; anything else one wide table.
        selection: What to print.
    """
    view = _View(selection)
    if console.is_terminal:
        view.print_sections(console)
        _print_summaries(console, selection, view.names)
        _print_statement(console, selection)
        return
    wide = Console(file=console.file, width=_PIPE_WIDTH, color_system=None, highlight=False)
    with wide.capture() as captured:
        view.print_flat(wide)
        wide.print()
        _print_summaries(wide, selection, view.names)
        _print_statement(wide, selection)
    # Tables are padded to their full width, which only fills a file with blanks.
    console.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


class _View:
    """The cells as columns of text."""

    def __init__(self, selection: Selection) -> None:
        cells = selection.cells
        self._cells = cells
        self.names = network_names(c.workload for c in cells)
        self._short = short_backends([c.backend for c in cells])
        self._note = {(o.status, o.reason): n for n, o in enumerate(omissions(cells), 1)}
        self._properties = [c for c in self._property_columns() if any(c.value(cell).plain for cell in cells)]
        self._backend = _Column("backend", lambda c: Text(c.backend))
        self._short_backend = _Column("backend", lambda c: Text(self._short[c.backend]))
        self._results = [c for c in self._result_columns() if any(c.value(cell).plain for cell in cells)]

    def print_flat(self, console: Console) -> None:
        """One table in which every row says everything."""
        network = _Column("network", lambda c: Text(self.names[c.workload.key]))
        reason = _Column("reason", lambda c: Text(" ".join(_why(c).split())))
        columns = [network, *self._properties, self._backend, *self._results, reason]
        console.print(_table([[c.value(cell) for c in columns] for cell in self._cells], columns))

    def print_sections(self, console: Console) -> None:
        """One section a network and image size; what never changes within a section moves into its heading."""
        sections: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in self._cells:
            sections[self.names[cell.workload.key], image(cell.workload)].append(cell)
        varying = {
            place: [p for p in self._properties if p.spoken and len({p.value(c).plain for c in cells}) > 1]
            for place, cells in sections.items()
        }
        arms, fits = self._fit(list(varying.values()), console.width - _INDENT)
        for place, cells in sections.items():
            columns = [*varying[place], *arms]
            told = [p for p in self._properties if p not in columns and p.value(cells[0]).plain]
            facts = [p.spoken(cells[0]) for p in told if p.spoken]
            console.print(
                Text.assemble((place[0], "bold"), (f"  {', '.join([f'input {_input(cells)}', *facts])}", "dim"))
            )
            widths = [self._width(c) if fits else None for c in columns]
            table = _table(_without_repeats(cells, columns), columns, widths)
            console.print(Padding(table, (0, 0, 1, _INDENT), expand=False))

    def _fit(self, properties: Sequence[Sequence[_Column]], room: int) -> tuple[list[_Column], bool]:
        """The columns that fit after the `properties` of every section, and whether they do fit."""
        arms = [self._backend, *self._results]

        def needed() -> int:
            return max(sum(self._width(c) + _GAP for c in [*own, *arms]) - _GAP for own in properties)

        while needed() > room and any(c.droppable for c in arms):
            arms.remove(max(arms, key=lambda c: c.droppable))
        if needed() > room:
            arms[0] = self._short_backend
        return arms, needed() <= room

    def _width(self, column: _Column) -> int:
        return max(len(column.header), *(len(column.value(cell).plain) for cell in self._cells))

    def _property_columns(self) -> list[_Column]:
        def axis(name: Axis) -> _Column:
            def value(cell: Cell) -> str:
                found = number(cell.workload, name)
                return "" if found is None else str(found)

            return _Column(name, lambda c: Text(value(c)), right=True, spoken=lambda c: f"{name} {value(c)}")

        return [
            axis("depth"),
            axis("width"),
            _Column("input", lambda c: Text(_input([c]))),
            _Column(
                "batch",
                lambda c: Text(str(c.workload.batch)),
                True,
                spoken=lambda c: f"batch {c.workload.batch}",
            ),
            _Column("threads", lambda c: Text(str(c.threads)), True, spoken=lambda c: threads([c])),
        ]

    def _result_columns(self) -> list[_Column]:
        return [
            _Column("latency [ms]", self._latency),
            _Column(
                "raw [ms]",
                lambda c: Text(_digits(c.estimate.raw_median_s * 1e3) if c.estimate else ""),
                True,
                2,
            ),
            _Column("speedup", _speedup),
            _Column("verdict", _verdict),
            _Column("noise", lambda c: Text(", ".join(c.flags), "yellow")),
            _Column("MACs", lambda c: Text(_macs(c)), True, 3, spoken=_macs),
            _Column("GMAC/s", lambda c: Text(_rate(c)), True, 1),
            *self._miss_columns(),
        ]

    def _miss_columns(self) -> list[_Column]:
        """One column a source and geometry: their values are not comparable."""
        kinds = dict.fromkeys((m.source, m.geometry) for cell in self._cells for m in cell.cache_misses)

        def column(source: str, geometry: str | None) -> _Column:
            def value(cell: Cell) -> Text:
                found = [m for m in cell.cache_misses if (m.source, m.geometry) == (source, geometry)]
                if not found:
                    return Text()
                misses = found[0].value
                return Text("not counted", "dim") if misses is None else Text(format_count(misses))

            return _Column(f"LLC misses ({_where(source, geometry)})", value, True, 4)

        return [column(*kind) for kind in kinds]

    def _latency(self, cell: Cell) -> Text:
        e = cell.estimate
        if e is None:
            note = self._note[cell.status, cell.reason]
            return Text(f"{cell.status} ({note})", _STATUS_STYLES.get(cell.status, ""))
        return Text(interval(e.latency_s * 1e3, e.low_s * 1e3, e.high_s * 1e3))


def _where(source: str, geometry: str | None) -> str:
    """Where a count comes from: ``model, 32 MiB, 16 ways``, or ``pmu`` for the processor's own cache."""
    if geometry is None:
        return source
    return f"{source}, {CacheGeometry.of(geometry).short_label}"


def _input(cells: Sequence[Cell]) -> str:
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
    return Text(str(c.verdict), _VERDICT_STYLES[c.verdict]) if c else Text()


def _digits(value: float) -> str:
    return interval(value, value, value).partition(" ")[0]


def _macs(cell: Cell) -> str:
    return "" if cell.macs is None else format_count(cell.macs)


def _rate(cell: Cell) -> str:
    if cell.estimate is None or cell.macs is None:
        return ""
    return _digits(cell.macs / cell.estimate.latency_s * 1e-9)


def _why(cell: Cell) -> str:
    """What is missing and why: a latency, some passes, or a speedup."""
    compared = cell.estimate is None or cell.no_comparison in ("", IS_BASELINE)
    return "; ".join(part for part in (cell.reason, "" if compared else cell.no_comparison) if part)


def _without_repeats(cells: Sequence[Cell], columns: Sequence[_Column]) -> list[list[Text]]:
    """Rows in which the properties of a network stand once, beside its first backend."""
    rows = []
    previous = ""
    for cell in cells:
        network = f"{cell.workload.key} {cell.threads}"
        repeated = network == previous
        rows.append([Text() if repeated and c.spoken else c.value(cell) for c in columns])
        previous = network
    return rows


def _table(
    rows: Sequence[Sequence[Text]], columns: Sequence[_Column], widths: Sequence[int | None] | None = None
) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, width in zip(columns, widths or [None] * len(columns), strict=True):
        justify = "right" if column.right else "left"
        # Text: rich takes the brackets around a unit for markup.
        header = Text(column.header)
        table.add_column(header, justify=justify, min_width=width, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    return table


def _print_summaries(console: Console, selection: Selection, names: dict[str, str]) -> None:
    """For each arm: how it does against the baseline on each kind of network, and on all of them."""
    arms = summarise(selection.cells, lambda c: (c.backend, c.threads))
    several = len({t for _, t in arms}) > 1
    for (backend, count), overall in arms.items():
        own = [c for c in selection.cells if (c.backend, c.threads) == (backend, count)]
        by_name = summarise(own, lambda c: names[c.workload.key])
        heading = f"Speedup of {backend} over {selection.baseline}" + (f", {threads(own)}" if several else "")
        console.print(Text.assemble((heading, "bold"), ("  geometric mean", "dim")))
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("network", overflow="fold")
        table.add_column("speedup", justify="right")
        table.add_column("range")
        table.add_column("verdicts")
        for name, summary in by_name.items():
            table.add_row(Text(name), *_summary_row(summary))
        if len(by_name) > 1:
            table.add_row(Text("all", "bold"), *_summary_row(overall))
        console.print(Padding(table, (0, 0, 1, _INDENT), expand=False))


def _summary_row(summary: Summary) -> list[Text]:
    ends = [_digits(v) for v in (summary.smallest, summary.largest)]
    verdicts = [(f"{summary.verdicts[v]} {v}", _VERDICT_STYLES[v]) for v in Verdict if summary.verdicts[v]]
    return [
        Text(f"{_digits(summary.speedup)}x", "bold"),
        Text("" if summary.networks == 1 else f"{ends[0]} to {ends[1]}"),
        Text(", ").join(Text(text, style) for text, style in verdicts),
    ]


def _print_statement(console: Console, selection: Selection) -> None:
    lines = statement(selection)
    missing = omissions(selection.cells)
    if missing:
        absent = sum(len(o.cells) for o in missing)
        lines.append(("Not measured", f"{plural(absent, 'cell')} of {len(selection.cells)}"))
        lines += [(f"({n})", str(omission)) for n, omission in enumerate(missing, 1)]
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for heading, text in lines:
        grid.add_row(Text(heading), Text(text))
    console.print(grid)
