"""All measurements as tables, one a network and image size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwnas.core.measurement import Status
from hwnas.report.cells import IS_BASELINE, Cell, Selection
from hwnas.report.columns import Column, Columns, input_shape
from hwnas.report.context import omissions, plural
from hwnas.report.order import image, network_names, title

#: What stands where a column has nothing to say of a cell.
_NOTHING = "–"
_NOT_COUNTED = "not counted"


@dataclass(frozen=True)
class Field:
    """One field of a row.

    Args:
        text: What it shows.
        right: Aligned to the right.
        style: A class of its own, else empty: a verdict, or ``missing``.
        reason: Number of the reason that it refers to, or None.
        title: Further words for who asks.
        columns: How many columns it takes.
    """

    text: str
    right: bool = False
    style: str = ""
    reason: int | None = None
    title: str = ""
    columns: int = 1


@dataclass(frozen=True)
class Heading:
    """One column's heading."""

    text: str
    right: bool


@dataclass(frozen=True)
class Section:
    """The cells of one network and image size.

    Args:
        title: The network.
        facts: What all its cells share.
        count: ``40 cells, 20 of them not measured``.
        headings: Of the columns.
        rows: One a cell of an arm that was measured here.
        absent: The arms that were not, each with how many cells and the number of the reason.
    """

    title: str
    facts: str
    count: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Field]]
    absent: Sequence[tuple[str, str, Sequence[int]]]


def cell_sections(selection: Selection) -> list[Section]:
    """Every cell, in the selection's order."""
    names = network_names(c.workload for c in selection.cells)
    reasons = {(o.status, o.reason): n for n, o in enumerate(omissions(selection.cells), 1)}
    columns = Columns(selection.cells)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in selection.cells:
        groups.setdefault((names[cell.workload.key], image(cell.workload)), []).append(cell)
    return [_section(name, cells, columns, reasons) for (name, _), cells in groups.items()]


_Reasons = Mapping[tuple[Status, str], int]


def _section(name: str, cells: Sequence[Cell], columns: Columns, reasons: _Reasons) -> Section:
    varying = [p for p in columns.properties if p.spoken and len({p.value(c).plain for c in cells}) > 1]
    told = [p for p in columns.properties if p not in varying and p.value(cells[0]).plain]
    facts = [p.spoken(cells[0]) for p in told if p.spoken]
    present = {c.backend for c in cells if c.estimate}
    results = list(columns.results)
    # The size of a network stands before what was measured of it.
    macs = [c for c in results if c.header == "MACs"]
    shown = [c for c in cells if c.backend in present]
    results = [c for c in results if c not in macs and (not _is_count(c) or _counted(c, shown))]
    known = [*varying, *macs]
    headings = [Heading(c.header, c.right) for c in known]
    headings += [Heading("backend", False)] if shown else []
    headings += [Heading(c.header, c.right) for c in results]
    missing = sum(c.estimate is None for c in cells)
    lost = f", {'all' if missing == len(cells) else missing} of them not measured" if missing else ""
    return Section(
        title=title(name),
        facts=", ".join([f"input {input_shape(cells)}", *facts]),
        count=plural(len(cells), "cell") + lost,
        headings=headings,
        rows=[_row(c, known, results, reasons) for c in shown],
        absent=_absent(cells, present, reasons),
    )


def _is_count(column: Column) -> bool:
    return column.header.startswith("LLC misses")


def _counted(column: Column, cells: Sequence[Cell]) -> bool:
    """Whether a source counted anything here; why it did not stands with the cache misses."""
    return any(column.value(c).plain not in ("", _NOT_COUNTED) for c in cells)


def _row(cell: Cell, known: Sequence[Column], results: Sequence[Column], reasons: _Reasons) -> list[Field]:
    fields = [Field(c.value(cell).plain or _NOTHING, c.right) for c in known]
    fields.append(Field(cell.backend))
    if cell.estimate is None:
        number = reasons[cell.status, cell.reason]
        text = f"not measured: {cell.status}"
        return [*fields, Field(text, style="missing", reason=number, columns=len(results))]
    return [*fields, *(_result(cell, c) for c in results)]


def _result(cell: Cell, column: Column) -> Field:
    text = column.value(cell).plain
    if column.header == "verdict" and cell.comparison:
        return Field(text, style=f"verdict {text.lower()}")
    if column.header == "speedup" and cell.comparison is None and cell.no_comparison != IS_BASELINE:
        return Field("none", style="missing", title=cell.no_comparison)
    if _is_count(column) and text in ("", _NOT_COUNTED):
        return Field(_NOT_COUNTED, True, "missing")
    return Field(text or _NOTHING, column.right)


def _absent(
    cells: Sequence[Cell], present: set[str], reasons: _Reasons
) -> list[tuple[str, str, Sequence[int]]]:
    """Arms without any latency here: a row for each of their cells would say one thing many times."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.backend not in present:
            found.setdefault(cell.backend, []).append(cell)
    return [
        (backend, plural(len(own), "cell"), list(dict.fromkeys(reasons[c.status, c.reason] for c in own)))
        for backend, own in found.items()
    ]
