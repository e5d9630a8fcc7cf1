from __future__ import annotations

import csv
import itertools
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from report_lab import GPU, OPENVINO, TORCH, Lab, stack, truth

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.report.figures import draw_figures, written_files
from hwnas.report.speedup_figure import draw_speedups
from hwnas.report.speedups import speedup_bars
from hwnas.report.style import backend_colours, batch_styles, styled
from hwnas.report.sweep_figure import draw_sweep
from hwnas.report.sweeps import find_sweeps
from hwnas.workloads.patterns import pattern_workload


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def sweep_figure(selection: Selection) -> Figure:
    (sweep,) = find_sweeps(selection.cells, "depth")
    with styled():
        return draw_sweep(sweep, selection)


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is seen, with its place in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    with styled():
        figure.draw(renderer)
        # Ticks beyond the limits of an axis have labels that are not drawn.
        beyond = {
            id(label)
            for axes in figure.axes
            for axis in (axes.xaxis, axes.yaxis)
            for tick in axis.get_major_ticks()
            for label in (tick.label1, tick.label2)
            if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        }
        return [
            (text.get_text(), text.get_window_extent(renderer))
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and id(text) not in beyond
        ]


def assert_legible(figure: Figure) -> None:
    """No text over another, and none beyond the edge."""
    found = texts(figure)
    for (first, a), (second, b) in itertools.combinations(found, 2):
        assert not a.overlaps(b) or (first, a.bounds) == (second, b.bounds), (first, second)
    for text, box in found:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text


def test_files(study: Selection, tmp_path: Path) -> None:
    written = written_files(draw_figures(study, tmp_path / "out"))
    assert {p.name for p in written} == {
        f"{n}.{s}" for n in ("speedup", "depth") for s in ("png", "svg", "csv")
    }
    assert all(p.stat().st_size > 500 for p in written)


def test_csv_has_the_numbers_that_are_drawn(study: Selection, tmp_path: Path) -> None:
    draw_figures(study, tmp_path)
    figure = sweep_figure(study)
    listed = rows(tmp_path / "depth.csv")
    drawn = 0
    for axis in figure.axes:
        pattern = axis.get_title(loc="left").replace(" ", "_")
        for line in axis.lines:
            if not str(line.get_label()).startswith(("torch", "openvino")):
                continue
            backend, batch = str(line.get_label()).split(" batch ")
            for depth, latency_ms in zip(line.get_xdata(), line.get_ydata(), strict=True):
                own = [
                    r
                    for r in listed
                    if (r["name"], r["depth"], r["batch"], r["backend"])
                    == (pattern, str(depth), batch, backend)
                ]
                if math.isnan(latency_ms):
                    assert not own or own[0]["per_image_s"] == ""
                else:
                    assert float(own[0]["per_image_s"]) * 1e3 == pytest.approx(latency_ms, rel=1e-12)
                    drawn += 1
    assert drawn == sum(c.estimate is not None for c in study.cells)


def test_cells_without_a_latency_are_gaps_never_zero(study: Selection) -> None:
    figure = sweep_figure(study)
    lines = [line for axis in figure.axes for line in axis.lines if " batch " in str(line.get_label())]
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in lines])
    # One failed, two refused, and two of a network that no campaign has tried.
    assert np.isnan(values).sum() == 5
    assert np.nanmin(values) > 0
    crosses = [line for axis in figure.axes for line in axis.lines if line.get_marker() == "x"]
    assert len(crosses) == 3
    assert not any(GPU in str(line.get_label()) for line in lines)
    shown = " ".join(text for text, _ in texts(figure))
    assert "refused on torch:cpu:fp32" in shown
    assert "no GPU was found" in shown
    assert "Gaps without a cross: 2 cells" in shown


def test_panels_share_both_axes(study: Selection) -> None:
    axes = sweep_figure(study).axes
    assert len(axes) == 6
    assert len({axis.get_xlim() for axis in axes}) == len({axis.get_ylim() for axis in axes}) == 1
    assert axes[0].get_yscale() == "log"


def test_footer_says_where_and_how(study: Selection) -> None:
    shown = " ".join(text for text, _ in texts(sweep_figure(study)))
    for part in ("Example CPU", "torch 2.13", study.environment.fingerprint, "1 thread, 1 pass", "Width 64"):
        assert part in shown


def test_depth_figure_is_legible(study: Selection) -> None:
    assert_legible(sweep_figure(study))


def test_speedup_figure_is_legible(study: Selection) -> None:
    with styled():
        assert_legible(draw_speedups(speedup_bars(study.cells), study))


def test_many_backends_and_long_reasons_are_legible(lab: Lab) -> None:
    reason = "the worker died: killed by signal 9, most likely because the kernel had no memory left " * 3
    arms = [
        "torch-nomkldnn:cpu:fp32",
        "torch-channels-last:cpu:fp32",
        GPU,
        "openvino:npu:fp16",
        "acme:tpu:int8",
    ]
    cells = {
        stack(d, b): {
            **truth(stack(d, b)),
            **dict.fromkeys(arms, 0.4e-3 * d),
            GPU: (Status.FAILED, f"{d} {reason}"),
        }
        for d in (10, 20)
        for b in (1, 2, 4, 8)
    }
    cells[stack(10, 1)] = {**cells[stack(10, 1)], GPU: 0.01}
    lab.campaign(cells, passes=1)
    selection = lab.select()
    assert_legible(sweep_figure(selection))
    with styled():
        assert_legible(draw_speedups(speedup_bars(selection.cells), selection))


def test_speedup_bars_end_where_the_csv_says(study: Selection, tmp_path: Path) -> None:
    draw_figures(study, tmp_path)
    bars = speedup_bars(study.cells)
    with styled():
        (axis,) = draw_speedups(bars, study).axes
    drawn = sorted(patch.get_width() for patch in axis.patches)
    listed = sorted(float(r["speedup"]) for r in rows(tmp_path / "speedup.csv") if r["speedup"])
    assert drawn == pytest.approx(listed, rel=1e-12)
    shown = [t.get_text() for t in axis.findobj(Text)]
    assert all(any(s.startswith(f"{b.speedup:.2f}×") for s in shown) for b in bars if b.speedup)


def test_width_figure(lab: Lab, tmp_path: Path) -> None:
    workloads = [pattern_workload("standard", depth=2, width=w, resolution=28) for w in (32, 64, 128)]
    lab.campaign({w: truth(w) for w in workloads}, passes=1)
    selection = lab.select()
    written = {p.name for p in written_files(draw_figures(selection, tmp_path))}
    assert written == {f"{n}.{s}" for n in ("speedup", "width") for s in ("png", "svg", "csv")}
    (sweep,) = find_sweeps(selection.cells, "width")
    with styled():
        figure = draw_sweep(sweep, selection)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert [t.get_text() for t in axis.get_xticklabels()] == ["32", "64", "128"]
    assert_legible(figure)


def test_several_sweeps_have_names_of_their_own(lab: Lab, tmp_path: Path) -> None:
    workloads = [pattern_workload("standard", depth=d, width=w) for d in (1, 2) for w in (32, 64)]
    lab.campaign({w: {TORCH: 0.01 * w.params["width"]} for w in workloads}, passes=1)  # type: ignore[operator]
    written = {p.name for p in written_files(draw_figures(lab.select(), tmp_path))}
    assert {"depth_w32_56x56_1t.png", "depth_w64_56x56_1t.csv", "width_d1_56x56_1t.svg"} <= written
    assert "speedup.png" not in written


def test_nearly_equal_latencies_still_have_ticks(lab: Lab) -> None:
    lab.campaign({stack(d): {TORCH: 0.0130 + 1e-5 * d} for d in (10, 20)}, passes=1)
    (axis,) = sweep_figure(lab.select()).axes
    low, high = axis.get_ylim()
    assert sum(low < tick < high for tick in axis.get_yticks()) >= 2


def test_nothing_to_draw(lab: Lab, tmp_path: Path) -> None:
    lab.campaign({stack(): {TORCH: 0.01}})
    assert written_files(draw_figures(lab.select(), tmp_path / "out")) == []
    assert not (tmp_path / "out").exists()


def test_same_data_gives_the_same_files(study: Selection, tmp_path: Path) -> None:
    first = written_files(draw_figures(study, tmp_path / "a"))
    second = written_files(draw_figures(study, tmp_path / "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_svg_text_is_text(study: Selection, tmp_path: Path) -> None:
    draw_figures(study, tmp_path)
    svg = "{http://www.w3.org/2000/svg}"
    found = {t.text for t in ElementTree.parse(tmp_path / "depth.svg").iter(f"{svg}text")}
    assert {"Latency over depth", "depthwise bottleneck", OPENVINO} <= found


def test_unwritable_folder(study: Selection, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--out"):
        draw_figures(study, tmp_path / "file" / "out")


def test_a_backend_has_one_colour_everywhere() -> None:
    alone = backend_colours([OPENVINO])
    together = backend_colours([GPU, TORCH, OPENVINO, "acme:tpu:int8"])
    assert alone[OPENVINO] == together[OPENVINO]
    assert len(set(together.values())) == 4


def test_default_arms_differ_in_grey() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    shades = sorted(lightness(c) for c in backend_colours([TORCH, OPENVINO, GPU]).values())
    assert all(b - a > 0.2 for a, b in itertools.pairwise(shades))


def test_batches_differ_in_marker_and_line() -> None:
    styles = batch_styles([32, 1, 8])
    assert list(styles) == [1, 8, 32]
    assert len({s.marker for s in styles.values()}) == len({str(s.line) for s in styles.values()}) == 3
    assert styles[1].size > styles[8].size > styles[32].size


def test_a_long_name_and_a_long_reason_leave_room_for_each_other(lab: Lab) -> None:
    """No arm gains anything, so that a reason begins far to the right."""
    name = f"{'experiments.' * 8}mobile:make_network"
    networks = [Workload("factory", f"{name}_{size}", (1, 3, 32, 32)) for size in ("small", "large")]
    reason = "the worker died: killed by signal 9, most likely because the kernel had no memory left"
    lab.campaign(
        {
            networks[0]: {TORCH: 0.010, OPENVINO: 0.010, GPU: 0.0101},
            networks[1]: {TORCH: 0.020, OPENVINO: 0.020, GPU: (Status.FAILED, reason)},
        }
    )
    selection = lab.select()
    with styled():
        figure = draw_speedups(speedup_bars(selection.cells), selection)
    assert_legible(figure)
    shown = [text for text, _ in texts(figure)]
    assert [text for text in shown if text.startswith("experiments.") and text.endswith("network_large")]
    assert [text for text in shown if text.startswith("failed:") and text.endswith(" ...")]
