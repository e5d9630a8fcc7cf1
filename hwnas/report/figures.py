"""The figures of a report: PNG and SVG to look at, and a CSV file with the numbers of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, get_args

from matplotlib.figure import Figure

from hwnas.report.cells import Selection
from hwnas.report.darts_rows import Against, with_darts
from hwnas.report.fusion import fusion_geometries, fusion_rows
from hwnas.report.fusion_figure import draw_fusion
from hwnas.report.kernel_time_figure import draw_kernel_times
from hwnas.report.kernel_times import kernel_times
from hwnas.report.latency_and_misses_figure import draw_latency_and_misses, latency_and_misses
from hwnas.report.network_figure import draw_networks
from hwnas.report.network_rows import NetworkRow, network_rows
from hwnas.report.order import Axis, network_names
from hwnas.report.quantities import LATENCY, Quantity, cache_label, cache_size, quantities
from hwnas.report.records import cell_record, count_records, write_csv
from hwnas.report.saving import Save
from hwnas.report.speedup_figure import draw_speedups
from hwnas.report.speedups import speedup_bars
from hwnas.report.style import ANOTHER_FOLDER, save, styled
from hwnas.report.sweep_figure import draw_sweep
from hwnas.report.sweep_panels import points
from hwnas.report.sweeps import Sweep, find_sweeps


class FigureKind(StrEnum):
    """What a figure is about."""

    SPEEDUP = "speedup"
    LATENCY = "latency"
    MISSES = "misses"
    LATENCY_AND_MISSES = "latency and misses"
    NETWORKS = "networks"
    FUSION = "fusion"
    KERNEL_TIMES = "kernel times"
    SEARCH = "search"


@dataclass(frozen=True)
class DrawnFigure:
    """A figure that was written.

    Args:
        kind: What it is about.
        png: The picture.
        csv: The numbers that are drawn.
        shows: What is to be seen, for who does not see it.
        axis: Depth or width, of figures over one of them.
    """

    kind: FigureKind
    png: Path
    csv: Path
    shows: str
    axis: Axis | None = None

    @property
    def name(self) -> str:
        """The name of its files."""
        return self.png.stem

    @property
    def svg(self) -> Path:
        """The same as a drawing."""
        return self.png.with_suffix(".svg")

    @property
    def files(self) -> list[Path]:
        """All three."""
        return [self.png, self.svg, self.csv]


class _Drawing(NamedTuple):
    """A figure that was drawn and has numbers, but is not saved yet."""

    kind: FigureKind
    figure: Figure
    stem: Path
    shows: str
    csv: Path
    axis: Axis | None = None


def draw_figures(
    selection: Selection, folder: Path, save: Save = save, against: Against | None = None
) -> list[DrawnFigure]:
    """Draw every figure for which there are measurements.

    `speedup` shows the speedup over the baseline; `networks` the latencies of whole networks; `depth` and
    `width` show latencies over a sweep, `depth_misses_...` cache misses by one source on one cache, and
    `depth_latency_and_misses_...` both; `fusion_...` shows which operators' misses the acceleration removed,
    and `kernel_times` where the time goes. Where there are several of a kind, their names say what they hold
    fixed: ``depth_w64_56x56_1t``.

    Args:
        selection: What to draw.
        folder: Where the files go; made where it does not exist.
        save: Saves a figure, now or later.
        against: The same cells with speedups over another baseline, for rows that the study compares with
            one of its own; None to leave those out.

    Returns:
        The figures written; none where there is nothing to draw.

    Raises:
        UsageError: A file cannot be written.
    """
    drawn = []
    with styled():
        for d in _drawings(selection, folder, against):
            save(d.figure, d.stem)
            drawn.append(DrawnFigure(d.kind, d.stem.with_name(f"{d.stem.name}.png"), d.csv, d.shows, d.axis))
    return drawn


def _drawings(selection: Selection, folder: Path, against: Against | None) -> Iterator[_Drawing]:
    yield from _speedups(selection, folder)
    yield from _networks(selection, folder, against)
    yield from _fusion(selection, folder)
    for axis in get_args(Axis):
        yield from _over(axis, selection, folder)
    yield from _kernel_times(selection, folder)


def written_files(figures: list[DrawnFigure]) -> list[Path]:
    """Every file of some figures once: several can share their numbers."""
    return list(dict.fromkeys(path for figure in figures for path in figure.files))


def _numbers(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    return write_csv(path, rows, ANOTHER_FOLDER)


def _speedups(selection: Selection, folder: Path) -> Iterator[_Drawing]:
    bars = speedup_bars(selection.cells)
    if bars:
        numbers = _numbers(folder / "speedup.csv", [bar.record() for bar in bars])
        arms = _listed(b.backend for b in bars)
        shows = f"Bars: the speedup of {arms} over {selection.baseline}, for each network or pattern."
        yield _Drawing(FigureKind.SPEEDUP, draw_speedups(bars, selection), folder / "speedup", shows, numbers)


def _networks(selection: Selection, folder: Path, against: Against | None) -> Iterator[_Drawing]:
    found: Mapping[int, Sequence[NetworkRow]] = network_rows(selection.cells)
    if against is not None:
        found = with_darts(found, selection.baseline, against)
    for threads, rows in found.items():
        stem = folder / ("networks" if len(found) == 1 else f"networks_{threads}t")
        names = network_names(row.workload for row in rows)
        numbers = _numbers(
            stem.with_name(f"{stem.name}.csv"),
            [
                {
                    "row": row.name,
                    **cell_record(c, names[c.workload.key]),
                    "baseline": row.baseline or selection.baseline,
                }
                for row in rows
                for c in row.cells
            ],
        )
        arms = _listed(c.backend for row in rows for c in row.cells)
        shows = f"Bars: the latency of {len(names)} whole networks on {arms}, with the speedup beside them."
        own = _listed(f"{row.name} over {row.baseline}" for row in rows if row.baseline)
        if own:
            shows += f" In rows of their own: {own}."
        yield _Drawing(FigureKind.NETWORKS, draw_networks(rows, selection), stem, shows, numbers)


def _fusion(selection: Selection, folder: Path) -> Iterator[_Drawing]:
    for geometry in fusion_geometries(selection):
        rows = fusion_rows(selection, geometry)
        if rows:
            stem = folder / f"fusion_{cache_size(geometry)}"
            numbers = _numbers(stem.with_name(f"{stem.name}.csv"), [r.record() for r in rows])
            shows = (
                f"Stacked bars: the modelled misses of a cache of {cache_label(geometry)} by kind of operator, "
                f"on {selection.baseline} and on {_listed(r.backend for r in rows)}."
            )
            yield _Drawing(FigureKind.FUSION, draw_fusion(rows, geometry, selection), stem, shows, numbers)


def _over(axis: Axis, selection: Selection, folder: Path) -> Iterator[_Drawing]:
    """Latency, misses, and both, of every sweep over depth or width."""
    sweeps = find_sweeps(selection.cells, axis)
    for sweep in sweeps:
        stem = folder / (axis if len(sweeps) == 1 else _name(sweep))
        latencies, counts = _write_sweep(sweep, stem)
        for quantity in (q for q in quantities(sweep.cells) if _spans(sweep, q)):
            own = stem.with_name(f"{stem.name}{quantity.name}")
            what = f"{quantity.title[0].lower()}{quantity.title[1:]}"
            shown = _shown(sweep, quantity)
            kind, numbers = FigureKind.LATENCY, latencies
            if quantity is not LATENCY:
                kind, numbers = FigureKind.MISSES, counts or latencies
            figure = draw_sweep(sweep, selection, quantity)
            yield _Drawing(kind, figure, own, f"Lines: {what} {shown}", numbers, axis)
            both = latency_and_misses(sweep, quantity) if quantity is not LATENCY else None
            if both:
                own = stem.with_name(f"{stem.name}{quantity.name.replace('_misses', '_latency_and_misses')}")
                numbers = _numbers(own.with_name(f"{own.name}.csv"), list(both.records()))
                figure = draw_latency_and_misses(both, selection)
                what = f"Solid lines: latency; dashed lines: {what} {shown}"
                yield _Drawing(FigureKind.LATENCY_AND_MISSES, figure, own, what, numbers, axis)


def _shown(sweep: Sweep, quantity: Quantity) -> str:
    """Of what a figure over depth or width shows its quantity."""
    arms = _listed(x.backend for found in sweep.panels.values() for x in found if points(x, quantity))
    patterns = _listed(name.replace("_", " ") for name in sweep.panels)
    return f"of one image over {sweep.axis} on {arms}, one panel a pattern: {patterns}."


def _kernel_times(selection: Selection, folder: Path) -> Iterator[_Drawing]:
    found = kernel_times(selection.cells)
    if any(k.times_s for k in found):
        numbers = _numbers(folder / "kernel_times.csv", [r for k in found for r in k.records()])
        shows = (
            "Stacked bars: the share of each kind of kernel in the time of a network, for "
            f"{_listed(k.cell.backend for k in found if k.times_s)}."
        )
        figure = draw_kernel_times(found, selection)
        yield _Drawing(FigureKind.KERNEL_TIMES, figure, folder / "kernel_times", shows, numbers)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _spans(sweep: Sweep, quantity: Quantity) -> bool:
    """Whether a quantity is known at two values of the sweep: one alone is no line."""
    known = [
        value
        for lines in sweep.panels.values()
        for line in lines
        for value, cell in zip(sweep.values, line.cells, strict=True)
        if cell and quantity.read(cell)
    ]
    return len(set(known)) > 1


def _name(sweep: Sweep) -> str:
    other = "w" if sweep.axis == "depth" else "d"
    return f"{sweep.axis}_{other}{sweep.fixed}_{sweep.image}_{sweep.threads}t"


def _write_sweep(sweep: Sweep, stem: Path) -> tuple[Path, Path | None]:
    """The cells of a sweep, and in a file of their own the misses of all sources."""
    names = network_names(c.workload for c in sweep.cells)
    cells = [(c, names[c.workload.key]) for c in sweep.cells]
    latencies = _numbers(stem.with_name(f"{stem.name}.csv"), [cell_record(*c) for c in cells])
    counts = [record for c in cells for record in count_records(*c)]
    if not counts:
        return latencies, None
    return latencies, _numbers(stem.with_name(f"{stem.name}_misses.csv"), counts)
