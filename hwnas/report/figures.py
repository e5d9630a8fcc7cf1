"""The figures of a report: PNG and SVG to look at, and a CSV file with the numbers of each."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from hwnas.report.cells import Selection
from hwnas.report.fusion import fusion_geometries, fusion_rows
from hwnas.report.fusion_figure import draw_fusion
from hwnas.report.order import Axis, network_names
from hwnas.report.quantities import Quantity, cache_size, quantities
from hwnas.report.records import cell_record, count_records, write_csv
from hwnas.report.speedup_figure import draw_speedups
from hwnas.report.speedups import speedup_bars
from hwnas.report.style import save, styled
from hwnas.report.sweep_figure import draw_sweep
from hwnas.report.sweeps import Sweep, find_sweeps


def draw_figures(selection: Selection, folder: Path) -> list[Path]:
    """Draw every figure for which there are measurements.

    `speedup` shows the speedup over the baseline; `depth` and `width` show latencies over a
    sweep, and `depth_misses_...` cache misses by one source on one cache; `fusion_...` shows
    which operators' misses the acceleration removed. Where there are several sweeps of a kind,
    their names say what they hold fixed: ``depth_w64_56x56_1t``.

    Args:
        selection: What to draw.
        folder: Where the files go; made where it does not exist.

    Returns:
        The files written; none where there is nothing to draw.

    Raises:
        UsageError: A file cannot be written.
    """
    written: list[Path] = []
    with styled():
        bars = speedup_bars(selection.cells)
        if bars:
            stem = folder / "speedup"
            written += save(draw_speedups(bars, selection), stem)
            written.append(write_csv(stem.with_name("speedup.csv"), [bar.record() for bar in bars]))
        for geometry in fusion_geometries(selection):
            rows = fusion_rows(selection, geometry)
            if rows:
                stem = folder / f"fusion_{cache_size(geometry)}"
                written += save(draw_fusion(rows, geometry, selection), stem)
                written.append(write_csv(stem.with_name(f"{stem.name}.csv"), [r.record() for r in rows]))
        for axis in get_args(Axis):
            sweeps = find_sweeps(selection.cells, axis)
            for sweep in sweeps:
                stem = folder / (axis if len(sweeps) == 1 else _name(sweep))
                for quantity in (q for q in quantities(sweep.cells) if _spans(sweep, q)):
                    figure = draw_sweep(sweep, selection, quantity)
                    written += save(figure, stem.with_name(f"{stem.name}{quantity.name}"))
                written += _write_sweep(sweep, stem)
    return written


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


def _write_sweep(sweep: Sweep, stem: Path) -> list[Path]:
    """The cells of a sweep, and in a file of their own the misses of all sources."""
    names = network_names(c.workload for c in sweep.cells)
    cells = [(c, names[c.workload.key]) for c in sweep.cells]
    written = [write_csv(stem.with_name(f"{stem.name}.csv"), [cell_record(*c) for c in cells])]
    counts = [record for c in cells for record in count_records(*c)]
    if counts:
        written.append(write_csv(stem.with_name(f"{stem.name}_misses.csv"), counts))
    return written
