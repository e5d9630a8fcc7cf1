"""The figures of a report: PNG and SVG to look at, and a CSV file with the numbers of each."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from hwnas.report.cells import Selection
from hwnas.report.order import Axis, network_names
from hwnas.report.records import cell_record, write_csv
from hwnas.report.speedup_figure import draw_speedups
from hwnas.report.speedups import speedup_bars
from hwnas.report.style import save, styled
from hwnas.report.sweep_figure import draw_sweep
from hwnas.report.sweeps import Sweep, find_sweeps


def draw_figures(selection: Selection, folder: Path) -> list[Path]:
    """Draw every figure for which there are measurements.

    `speedup` shows the speedup over the baseline; `depth` and `width` show latencies over a
    sweep. Where there are several sweeps of a kind, their names say what they hold fixed:
    ``depth_w64_56x56_1t``.

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
        for axis in get_args(Axis):
            sweeps = find_sweeps(selection.cells, axis)
            for sweep in sweeps:
                stem = folder / (axis if len(sweeps) == 1 else _name(sweep))
                written += save(draw_sweep(sweep, selection), stem)
                written.append(_write_sweep(sweep, stem))
    return written


def _name(sweep: Sweep) -> str:
    other = "w" if sweep.axis == "depth" else "d"
    return f"{sweep.axis}_{other}{sweep.fixed}_{sweep.image}_{sweep.threads}t"


def _write_sweep(sweep: Sweep, stem: Path) -> Path:
    names = network_names(c.workload for c in sweep.cells)
    return write_csv(
        stem.with_name(f"{stem.name}.csv"), [cell_record(c, names[c.workload.key]) for c in sweep.cells]
    )
