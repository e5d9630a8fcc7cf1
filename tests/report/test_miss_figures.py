"""Misses in tables and figures: each source apart, what was not counted never a zero."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from report_lab import OPENVINO, TORCH, Lab, stack, truth
from rich.console import Console

from hwnas.core.counter import LLC_MISSES, Counter, misses_of
from hwnas.core.kernel import Kernel
from hwnas.report.figures import draw_figures, written_files
from hwnas.report.fusion import fusion_rows
from hwnas.report.quantities import cache_misses, quantities
from hwnas.report.records import records
from hwnas.report.style import styled
from hwnas.report.sweep_figure import draw_sweep
from hwnas.report.sweeps import find_sweeps
from hwnas.report.table import print_report

SMALL, LARGE = "4194304,16,64", "33554432,16,64"
REFUSED = "cache-misses: perf_event_open fails with ENOENT"


def _counted(lab: Lab, depths=(10, 20, 30), *, kernels_known: bool = True) -> None:
    """Eager has a batch normalisation that OpenVINO does not; callgrind saw the first depth only."""
    norm = "bn/aten._native_batch_norm_legit_no_training.default/BatchNormInference"
    kernels = {OPENVINO: (Kernel(0, "conv", "Convolution", "brgconv", "f32", fused=("conv", norm)),)}
    uid = lab.campaign({stack(d): truth(stack(d)) for d in depths}, kernels=kernels if kernels_known else None)
    for stored in list(lab.store.measurements(campaign_uid=uid)):
        m = stored.measurement
        if m.pass_index:
            continue
        depth = int(m.workload.params["depth"])
        parts = {"convolution": 1000.0 * depth, "normalisation": 3000.0 * depth * (m.backend == TORCH)}
        counters = [
            Counter(LLC_MISSES, sum(parts.values()), "model", SMALL, 1, 9e5),
            *(Counter(misses_of(k), v, "model", SMALL, 1) for k, v in parts.items() if v),
            Counter(LLC_MISSES, 7.0 * depth, "model", LARGE, 1),
            Counter(LLC_MISSES, None, "pmu", None, 1, None, REFUSED),
        ]
        if depth == depths[0]:
            counters.append(Counter(LLC_MISSES, 12345.0, "callgrind", SMALL, 1))
        with lab.store.writing() as writer:
            writer.counters(m.uid, counters)


def test_every_source_and_cache_has_a_column(lab: Lab) -> None:
    _counted(lab)
    text = io.StringIO()
    print_report(Console(file=text), lab.select())
    header, *rows = text.getvalue().splitlines()
    for column in ("callgrind, 4 MiB, 16 ways", "model, 4 MiB, 16 ways", "model, 32 MiB, 16 ways", "pmu"):
        assert f"LLC misses ({column})" in header
    assert "40 k" in rows[0]
    assert "not counted" in rows[0]
    assert any(REFUSED in row and "6 cells" in row for row in rows)


def test_records_keep_the_source_and_none(lab: Lab) -> None:
    _counted(lab)
    first = records(lab.select())[0]["cache_misses"]
    assert [(c["source"], c["geometry"], c["value"]) for c in first] == [
        ("pmu", None, None),
        ("callgrind", SMALL, 12345.0),
        ("model", SMALL, 40000.0),
        ("model", LARGE, 70.0),
    ]
    assert first[0]["reason"] == REFUSED


def test_a_sweep_is_drawn_for_each_source_that_spans_it(lab: Lab, tmp_path) -> None:
    _counted(lab)
    names = {p.name for p in written_files(draw_figures(lab.select(), tmp_path))}
    assert {"depth.png", "depth_misses_model_4MiB-16way.svg", "depth_misses_model_32MiB-16way.png"} <= names
    # One depth is no line, and a counter that was refused is no point at zero.
    assert not any("callgrind" in n or "pmu" in n for n in names)


def test_the_numbers_of_miss_figures_are_written_with_what_was_not_counted(lab: Lab, tmp_path) -> None:
    _counted(lab)
    draw_figures(lab.select(), tmp_path)
    with (tmp_path / "depth_misses.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if (r["depth"], r["backend"]) == ("10", TORCH)]
    found = {(r["source"], r["geometry"]): (r["value"], r["accesses"], r["reason"]) for r in rows}
    assert found["model", SMALL] == ("40000.0", "900000.0", "")
    assert found["pmu", ""] == ("", "", REFUSED)


def test_caches_that_differ_by_their_lines_alone_keep_apart(lab: Lab, tmp_path) -> None:
    _counted(lab)
    wide = "4194304,16,128"
    for stored in list(lab.store.measurements()):
        m = stored.measurement
        with lab.store.writing() as writer:
            writer.counters(m.uid, [Counter(LLC_MISSES, 5.0 * m.workload.params["depth"], "model", wide, 1)])
    names = {p.name for p in written_files(draw_figures(lab.select(), tmp_path))}
    assert {"depth_misses_model_4MiB-16way.png", "depth_misses_model_4MiB-16way-128B.png"} <= names
    text = io.StringIO()
    print_report(Console(file=text), lab.select())
    header = text.getvalue().splitlines()[0]
    assert "(model, 4 MiB, 16 ways)" in header
    assert "(model, 4 MiB, 16 ways, 128 B lines)" in header


def test_a_zero_is_marked_at_the_foot_and_a_refused_count_is_not(lab: Lab) -> None:
    _counted(lab)
    huge = "1073741824,16,64"
    for stored in list(lab.store.measurements()):
        m = stored.measurement
        if not m.pass_index:
            fits = int(m.workload.params["depth"]) < 20
            with lab.store.writing() as writer:
                writer.counters(m.uid, [Counter(LLC_MISSES, 0.0 if fits else 9e3, "model", huge, 1)])
    selection = lab.select()
    (sweep,) = find_sweeps(selection.cells, "depth")
    for geometry, zeros in ((huge, 2), (SMALL, 0)):
        with styled():
            figure = draw_sweep(sweep, selection, cache_misses("model", geometry))
        marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "$0$"]
        assert [list(line.get_xdata()) for line in marks] == [[10]] * zeros
        legends = " ".join(t.get_text() for part in figure.legends for t in part.get_texts())
        assert ("stays in the cache" in legends) == bool(zeros)


def test_misses_are_told_per_image(lab: Lab) -> None:
    workload = stack(10, batch=8)
    uid = lab.campaign({workload: truth(workload)})
    for stored in list(lab.store.measurements(campaign_uid=uid)):
        with lab.store.writing() as writer:
            writer.counters(stored.measurement.uid, [Counter(LLC_MISSES, 800.0, "model", SMALL, 1)])
    cell = lab.select().cells[0]
    (misses,) = [q for q in quantities([cell]) if q.name]
    assert misses.read(cell) == (100.0, 100.0, 100.0)
    assert misses.read(replace(cell, cache_misses=())) is None


def test_what_fusion_removed_is_attributed(lab: Lab, tmp_path) -> None:
    _counted(lab)
    (row,) = fusion_rows(lab.select(), SMALL)
    assert row.network == "standard, depth 30, width 64"
    assert row.baseline == {"convolution": 30000.0, "normalisation": 90000.0}
    assert row.accelerated == {"convolution": 30000.0}
    assert row.fused == {"normalisation": 90000.0}
    names = {p.name for p in written_files(draw_figures(lab.select(), tmp_path))}
    assert {"fusion_4MiB-16way.png", "fusion_4MiB-16way.svg", "fusion_4MiB-16way.csv"} <= names
    with (tmp_path / "fusion_4MiB-16way.csv").open() as file:
        (written,) = csv.DictReader(file)
    assert float(written["saved: normalisation"]) == 90000.0
    assert float(written["saved: convolution"]) == 0.0
    assert float(written["baseline_misses_of_fused_operators"]) == 90000.0
    assert float(written["fused share: normalisation"]) == 1.0
    assert "75% fused away" in (tmp_path / "fusion_4MiB-16way.svg").read_text()
    assert written["backend"] == OPENVINO


def test_where_no_kernels_are_stored_what_is_fused_is_unknown_and_no_zero(lab: Lab, tmp_path) -> None:
    _counted(lab, kernels_known=False)
    (row,) = fusion_rows(lab.select(), SMALL)
    assert (row.fused_shares, row.fused) == (None, {})
    draw_figures(lab.select(), tmp_path)
    with (tmp_path / "fusion_4MiB-16way.csv").open() as file:
        (written,) = csv.DictReader(file)
    assert written["baseline_misses_of_fused_operators"] == ""
    assert {v for k, v in written.items() if k.startswith("fused share")} == {""}
    assert float(written["saved: normalisation"]) == 90000.0
    drawn = (tmp_path / "fusion_4MiB-16way.svg").read_text()
    assert f"What {OPENVINO} fuses is not known: no kernels are stored." in drawn


def test_cells_that_a_source_did_not_count_are_told_below_its_figure(lab: Lab) -> None:
    _counted(lab)
    other = "8388608,16,64"
    for stored in list(lab.store.measurements()):
        m = stored.measurement
        if not m.pass_index and int(m.workload.params["depth"]) < 30:
            with lab.store.writing() as writer:
                writer.counters(m.uid, [Counter(LLC_MISSES, 9e3, "model", other, 1)])
    selection = lab.select()
    (sweep,) = find_sweeps(selection.cells, "depth")
    for geometry, told in ((other, True), (SMALL, False)):
        with styled():
            figure = draw_sweep(sweep, selection, cache_misses("model", geometry))
        shown = " ".join(text.get_text() for text in figure.texts)
        assert ("Misses of 2 cells were not counted by this source." in shown) == told


def test_without_counts_nothing_is_drawn_or_said(lab: Lab, tmp_path) -> None:
    lab.campaign({stack(d): truth(stack(d)) for d in (10, 20)})
    text = io.StringIO()
    print_report(Console(file=text), lab.select())
    assert "misses" not in text.getvalue()
    assert not any(
        "misses" in p.name or "fusion" in p.name for p in written_files(draw_figures(lab.select(), tmp_path))
    )
