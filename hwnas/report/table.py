"""The report as text: a table on any terminal, a wide one in a pipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import Cell, Selection
from hwnas.report.columns import VERDICT_STYLES, Column, Columns, digits, input_shape, why
from hwnas.report.context import omissions, plural, statement, threads
from hwnas.report.order import image, network_names, short_backends
from hwnas.report.summary import Summary, summarise

_GAP = 2
_INDENT = 2
#: A pipe has no width; what reads it must not get wrapped lines.
_PIPE_WIDTH = 10_000


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
        columns = Columns(cells)
        self._properties, self._results = columns.properties, columns.results
        self._backend = Column("backend", lambda c: Text(c.backend))
        self._short_backend = Column("backend", lambda c: Text(self._short[c.backend]))

    def print_flat(self, console: Console) -> None:
        """One table in which every row says everything."""
        network = Column("network", lambda c: Text(self.names[c.workload.key]))
        reason = Column("reason", lambda c: Text(" ".join(why(c).split())))
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
                Text.assemble(
                    (place[0], "bold"), (f"  {', '.join([f'input {input_shape(cells)}', *facts])}", "dim")
                )
            )
            widths = [self._width(c) if fits else None for c in columns]
            table = _table(_without_repeats(cells, columns), columns, widths)
            console.print(Padding(table, (0, 0, 1, _INDENT), expand=False))

    def _fit(self, properties: Sequence[Sequence[Column]], room: int) -> tuple[list[Column], bool]:
        """The columns that fit after the `properties` of every section, and whether they do fit."""
        arms = [self._backend, *self._results]

        def needed() -> int:
            return max(sum(self._width(c) + _GAP for c in [*own, *arms]) - _GAP for own in properties)

        while needed() > room and any(c.droppable for c in arms):
            arms.remove(max(arms, key=lambda c: c.droppable))
        if needed() > room:
            arms[0] = self._short_backend
        return arms, needed() <= room

    def _width(self, column: Column) -> int:
        return max(len(column.header), *(len(column.value(cell).plain) for cell in self._cells))


def _without_repeats(cells: Sequence[Cell], columns: Sequence[Column]) -> list[list[Text]]:
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
    rows: Sequence[Sequence[Text]], columns: Sequence[Column], widths: Sequence[int | None] | None = None
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
    ends = [digits(v) for v in (summary.smallest, summary.largest)]
    verdicts = [(f"{summary.verdicts[v]} {v}", VERDICT_STYLES[v]) for v in Verdict if summary.verdicts[v]]
    return [
        Text(f"{digits(summary.speedup)}x", "bold"),
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
