"""The figures of whole networks, of latency with misses, and of kernel times."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.text import Text
from report_lab import GPU, NO_GPU, OPENVINO, TORCH, Lab, stack, truth
from test_report_figures import assert_legible, rows

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import Status
from hwnas.core.units import format_seconds
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.report.figures import draw_figures, written_files
from hwnas.report.html.kernel_rows import kernel_rows, untimed
from hwnas.report.kernel_time_figure import draw_kernel_times
from hwnas.report.kernel_times import kernel_times
from hwnas.report.latency_and_misses_figure import draw_latency_and_misses, latency_and_misses
from hwnas.report.network_figure import draw_networks
from hwnas.report.network_rows import network_rows
from hwnas.report.quantities import cache_misses
from hwnas.report.style import styled
from hwnas.report.sweeps import find_sweeps
from hwnas.workloads.patterns import PATTERNS, pattern_workload

SMALL = "4194304,16,64"


def network(name: str, batch: int = 1) -> Workload:
    return Workload("torchvision", name, (batch, 3, 224, 224))


def _networks(lab: Lab, **options: object) -> Selection:
    lab.campaign(
        {
            network("resnet18"): {TORCH: 0.040, OPENVINO: 0.020, GPU: NO_GPU},
            network("mobilenet_v2"): {TORCH: 0.0168, OPENVINO: 0.0024, GPU: NO_GPU},
            network("nasnetalarge"): {TORCH: 0.4, OPENVINO: (Status.FAILED, "the worker died: " + "9 " * 60)},
        },
        "networks",
        **options,  # type: ignore[arg-type]
    )
    return lab.select()


def test_networks_stand_fastest_first_with_every_arm(lab: Lab) -> None:
    (found,) = network_rows(_networks(lab).cells).values()
    assert [r.name for r in found] == ["mobilenet_v2", "resnet18", "nasnetalarge"]
    # The GPU measured nothing anywhere: a note says so once, instead of a bar in every network.
    assert {c.backend for r in found for c in r.cells} == {TORCH, OPENVINO}


def test_speedups_are_bold_and_bars_end_where_the_csv_says(lab: Lab, tmp_path: Path) -> None:
    selection = _networks(lab)
    (found,) = network_rows(selection.cells).values()
    with styled():
        figure = draw_networks(found, selection)
    assert_legible(figure)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    bold = [t.get_text() for t in axis.findobj(Text) if t.get_weight() == "bold" and "×" in t.get_text()]
    assert len(bold) == 2
    assert sorted(float(t.rstrip("×")) for t in bold) == pytest.approx([2.0, 7.0], rel=0.05)
    shown = " ".join(t.get_text() for t in figure.findobj(Text))
    assert "not measured: failed" in shown
    assert "no GPU was found" in shown
    names = {p.name for p in written_files(draw_figures(selection, tmp_path))}
    assert {"networks.png", "networks.svg", "networks.csv"} <= names
    listed = sorted(float(r["per_image_s"]) * 1e3 for r in rows(tmp_path / "networks.csv") if r["per_image_s"])
    assert sorted(p.get_x() + p.get_width() for p in axis.patches) == pytest.approx(listed)


def test_every_number_of_threads_has_its_figure(lab: Lab, tmp_path: Path) -> None:
    _networks(lab, passes=1)
    selection = _networks(lab, passes=1, threads=2)
    names = {p.name for p in written_files(draw_figures(selection, tmp_path))}
    assert {"networks_1t.svg", "networks_2t.svg"} <= names


def test_names_are_told_apart_where_they_must_be(lab: Lab) -> None:
    lab.campaign({network("resnet18", b): {TORCH: 0.01 * b} for b in (1, 8)}, passes=1)
    (found,) = network_rows(lab.select().cells).values()
    assert len({r.name for r in found}) == 2
    assert any("batch 8" in r.name for r in found)


def _counted(lab: Lab, zeros: bool = False) -> Selection:
    lab.campaign(
        {
            w: {**truth(w), GPU: NO_GPU}
            for p in PATTERNS
            for d in (10, 20, 30)
            for b in (1, 8)
            for w in [pattern_workload(p, depth=d, width=64, batch=b)]
        },
        passes=1,
    )
    for stored in list(lab.store.measurements()):
        m = stored.measurement
        if m.status is Status.OK:
            depth = int(m.workload.params["depth"])
            value = 0.0 if zeros and m.backend == OPENVINO and depth == 10 else 1e5 * depth * m.workload.batch
            with lab.store.writing() as writer:
                writer.counters(m.uid, [Counter(LLC_MISSES, value, "model", SMALL, 1)])
    return lab.select()


def test_what_no_campaign_has_tried_is_told_beside_latency_and_misses(lab: Lab) -> None:
    _counted(lab)
    deeper = pattern_workload("standard", depth=40, width=64)
    lab.campaign({deeper: truth(deeper)}, "deeper", passes=1)
    selection = lab.select()
    (sweep,) = find_sweeps(selection.cells, "depth")
    both = latency_and_misses(sweep, cache_misses("model", SMALL))
    assert both is not None
    with styled():
        figure = draw_latency_and_misses(both, selection)
    assert_legible(figure)
    shown = " ".join(text.get_text() for text in figure.texts)
    # Five patterns at that depth on two arms; and the sixth, which was timed and not counted.
    assert "Gaps without a cross: 10 cells that no campaign has tried yet." in shown
    assert "Misses of 2 cells were not counted by this source." in shown


@pytest.mark.parametrize("zeros", [False, True])
def test_latency_and_misses_share_a_panel_on_axes_that_all_share(lab: Lab, zeros: bool) -> None:
    selection = _counted(lab, zeros)
    (sweep,) = find_sweeps(selection.cells, "depth")
    both = latency_and_misses(sweep, cache_misses("model", SMALL))
    assert both is not None
    assert (both.batch, both.other_batches) == (1, (8,))
    with styled():
        figure = draw_latency_and_misses(both, selection)
    assert_legible(figure)
    lefts, rights = figure.axes[:6], figure.axes[6:]
    assert len(rights) == 6
    for axes in (lefts, rights):
        assert len({a.get_ylim() for a in axes}) == len({a.get_xlim() for a in axes}) == 1
        assert {a.get_yscale() for a in axes} == {"log"}
    spans = [a.get_ylim()[1] / a.get_ylim()[0] for a in (lefts[0], rights[0])]
    assert spans[0] == pytest.approx(spans[1])
    assert {line.get_linestyle() for line in lefts[0].lines if " batch " in str(line.get_label())} == {"-"}
    assert {line.get_linestyle() for line in rights[0].lines if " batch " in str(line.get_label())} == {"--"}
    assert any(line.get_marker() == "$0$" for line in rights[0].lines) == zeros


def test_both_are_written_with_what_is_missing_as_an_empty_field(lab: Lab, tmp_path: Path) -> None:
    draw_figures(_counted(lab, zeros=True), tmp_path)
    with (tmp_path / "depth_latency_and_misses_model_4MiB-16way.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert {r["batch"] for r in listed} == {"1"}
    assert {r["backend"] for r in listed} == {TORCH, OPENVINO}
    # A true zero is a number; what nobody counted is not.
    assert {r["misses_per_image"] for r in listed if r["backend"] == OPENVINO and r["depth"] == "10"} == {"0.0"}
    assert all(float(r["per_image_low_s"]) < float(r["per_image_s"]) for r in listed)


def test_without_misses_at_two_depths_there_is_no_such_figure(study: Selection) -> None:
    (sweep,) = find_sweeps(study.cells, "depth")
    assert latency_and_misses(sweep, cache_misses("model", SMALL)) is None


def _profiled(lab: Lab) -> Selection:
    kernels = (
        Kernel(0, "c", "Convolution", "brgconv", "f32", time_s=0.006),
        Kernel(1, "p", "Pooling", "jit", "f32", time_s=0.002),
        Kernel(2, "in", "Input", "unknown", "f32"),
    )
    cells = {network("resnet18"): {TORCH: 0.020, OPENVINO: 0.010}, stack(): truth(stack())}
    lab.campaign(cells, kernels={OPENVINO: kernels, TORCH: (Kernel(0, "c", "conv2d", "x", "f32"),)})
    return lab.select()


def test_kernel_times_are_shares_and_what_they_leave_is_told(lab: Lab, tmp_path: Path) -> None:
    selection = _profiled(lab)
    found = {(k.network, k.cell.backend): k for k in kernel_times(selection.cells)}
    own = next(k for (name, backend), k in found.items() if "resnet18" in name and backend == OPENVINO)
    assert own.times_s == {"convolution": 0.006, "pooling": 0.002}
    assert own.sum_s == pytest.approx(0.008)
    assert own.beside_s is not None
    assert own.residual == pytest.approx(1 - 0.008 / own.beside_s)
    names = {p.name for p in written_files(draw_figures(selection, tmp_path))}
    assert {"kernel_times.png", "kernel_times.svg", "kernel_times.csv"} <= names
    listed = rows(tmp_path / "kernel_times.csv")
    shares = [float(r["share"]) for r in listed if "resnet18" in r["network"] and r["backend"] == OPENVINO]
    assert shares == pytest.approx([0.75, 0.25])
    untimed = [r for r in listed if r["backend"] == TORCH]
    nothing = ("time_s", "kernels_s", "raw_median_s", "residual")
    assert {tuple(r[name] for name in nothing) for r in untimed} == {("", "", "", "")}
    assert all("without times" in r["reason"] for r in untimed)
    with styled():
        figure = draw_kernel_times(kernel_times(selection.cells), selection)
    assert_legible(figure)
    shown = " ".join(t.get_text() for t in figure.findobj(Text))
    assert f"No times of kernels are stored for {TORCH}" in shown


def test_kernels_stand_beside_the_raw_median_of_their_own_pass(lab: Lab) -> None:
    """Not beside the corrected latency of all passes, nor beside that of another campaign."""
    kernels = (Kernel(0, "c", "Convolution", "brgconv", "f32", time_s=0.016),)
    resnet = network("resnet18")
    record = lab.store.campaign("brief", {"settings": {"passes": 1}}, lab.environment)
    slow = [replace(m, kernels=kernels) for m in lab.host.group(resnet, {OPENVINO: 0.020})]
    lab.add(slow, record.uid)
    lab.campaign({resnet: {OPENVINO: 0.010}})
    (found,) = kernel_times(lab.select().cells)
    assert found.latency_s == pytest.approx(0.010, rel=0.05)
    assert found.beside_s == slow[0].median_s
    assert found.residual == pytest.approx(0.2, abs=0.04)
    (row,) = kernel_rows([found])
    assert row.beside == format_seconds(slow[0].median_s)
    assert row.residual.startswith("+")


def test_why_kernels_could_not_be_read_is_told(lab: Lab) -> None:
    uid = lab.campaign({network("resnet18"): {OPENVINO: 0.010}}, passes=1)
    failed = lab.host.group(stack(), {OPENVINO: 0.002})
    lab.add([replace(m, effective={"kernels_missing": "the worker\ndied: signal 9"}) for m in failed], uid)
    found = kernel_times(lab.select().cells)
    assert sorted(untimed(found)) == [
        f"{OPENVINO}, 1 network: its kernels are not stored",
        f"{OPENVINO}, 1 network: its kernels could not be read: the worker died: signal 9",
    ]


def test_without_times_there_is_a_reason_and_no_figure(study: Selection, tmp_path: Path) -> None:
    found = kernel_times(study.cells)
    assert found
    assert all(k.sum_s is None and k.residual is None for k in found)
    assert {k.cell.no_kernel_times for k in found} == {"its kernels are not stored"}
    assert not any("kernel" in p.name for p in written_files(draw_figures(study, tmp_path)))


def test_beside_kernel_times_of_several_threads_stand_whole_names(lab: Lab) -> None:
    kernels = {OPENVINO: (Kernel(0, "c", "Convolution", "brgconv", "f32", time_s=0.002),)}
    largest = pattern_workload("depthwise_bottleneck", depth=50, width=64, batch=32)
    lab.campaign({largest: {OPENVINO: 0.004}, network("resnet18"): {OPENVINO: 0.01}}, kernels=kernels)
    lab.campaign({network("resnet18"): {OPENVINO: 0.005}}, kernels=kernels, threads=2)
    selection = lab.select()
    with styled():
        figure = draw_kernel_times(kernel_times(selection.cells), selection)
    assert_legible(figure)
    shown = [t.get_text() for t in figure.findobj(Text)]
    assert "depthwise bottleneck\ndepth 50, width 64, batch 32, 1 thread" in shown
    assert not [text for text in shown if "…" in text]
