"""DARTS three times, as in the study's figure 5: here, with oneDNN forced, and as PyTorch was then."""

from __future__ import annotations

from pathlib import Path

import pytest
from claim_worlds import FORCED, OLD
from matplotlib.text import Text
from report_lab import OPENVINO, TORCH, Lab
from test_report_figures import assert_legible, rows

from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Cells, Selection
from hwnas.report.darts_rows import with_darts
from hwnas.report.figures import draw_figures
from hwnas.report.network_figure import draw_networks
from hwnas.report.network_rows import NetworkRow, network_rows
from hwnas.report.reading import read_passes
from hwnas.report.style import styled
from hwnas.workloads.catalogue import find_network

DARTS = find_network("darts").workload()
RESNET = Workload("torchvision", "resnet18", (1, 3, 224, 224))


def _cells(lab: Lab, forced: float | tuple[Status, str] = 0.050) -> Cells:
    arms = {TORCH: 0.040, FORCED: forced, OLD: 0.120, OPENVINO: 0.010}
    lab.campaign({DARTS: arms, RESNET: {TORCH: 0.030, FORCED: 0.035, OLD: 0.030, OPENVINO: 0.020}}, "networks")
    return Cells(read_passes(lab.store, lab.environment.fingerprint))


def _rows(cells: Cells, baseline: str = TORCH) -> list[NetworkRow]:
    shown = cells.select(baseline)
    (found,) = with_darts(network_rows(shown.cells), baseline, cells.select).values()
    return found


def test_darts_stands_three_times_and_each_speedup_is_over_its_own_baseline(lab: Lab) -> None:
    found = _rows(_cells(lab))
    assert [r.baseline for r in found] == ["", FORCED, OLD, ""]
    assert {r.workload for r in found[:3]} == {DARTS}
    assert found[3].name == "resnet18"
    for row, base, true in ((found[0], TORCH, 4.0), (found[1], FORCED, 5.0), (found[2], OLD, 12.0)):
        speedup = {c.backend: c.comparison.speedup for c in row.cells if c.comparison}
        assert speedup[OPENVINO] == pytest.approx(true, rel=0.05)
        assert base not in speedup
    assert [[c.backend for c in row.cells] for row in found[1:3]] == [[FORCED, OPENVINO], [OLD, OPENVINO]]


def test_a_condition_that_was_not_measured_has_no_row(lab: Lab) -> None:
    assert [r.baseline for r in _rows(_cells(lab, (Status.FAILED, "crashed")))] == ["", OLD, ""]


def test_the_reports_own_baseline_has_one_row(lab: Lab) -> None:
    assert [r.baseline for r in _rows(_cells(lab), FORCED)] == ["", OLD, ""]


def test_arms_that_were_measured_apart_are_not_compared(lab: Lab) -> None:
    lab.campaign({DARTS: {TORCH: 0.040, OPENVINO: 0.010}}, "networks")
    lab.campaign({DARTS: {FORCED: 0.050}}, "forced")
    assert [r.baseline for r in _rows(Cells(read_passes(lab.store, lab.environment.fingerprint)))] == [""]


def _texts(selection: Selection, found: list[NetworkRow]) -> tuple[list[str], str]:
    with styled():
        figure = draw_networks(found, selection)
    assert_legible(figure)
    texts = [t for t in figure.findobj(Text) if t.get_text()]
    bold = [t.get_text() for t in texts if t.get_weight() == "bold" and "×" in t.get_text()]
    return bold, " ".join(" ".join(t.get_text().split()) for t in texts)


def test_the_figure_says_what_the_rows_are_and_its_file_has_them(lab: Lab, tmp_path: Path) -> None:
    cells = _cells(lab)
    selection = cells.select()
    found = _rows(cells)
    bold, shown = _texts(selection, found)
    assert {5, 12} <= {round(float(t.rstrip("×"))) for t in bold}
    assert len(bold) == 8  # three a network, and one in each further row of DARTS
    for part in (
        "darts (oneDNN forced)",
        "'Optimized DARTS'",
        f"over {FORCED}",
        "darts (paper era)",
        f"over {OLD}",
    ):
        assert part in shown, part
    (drawn,) = [d for d in draw_figures(selection, tmp_path, against=cells.select) if d.name == "networks"]
    assert f"darts (paper era) over {OLD}" in drawn.shows
    listed = rows(tmp_path / "networks.csv")
    own = [r for r in listed if r["row"].endswith("(oneDNN forced)") and r["backend"] == OPENVINO]
    assert [r["baseline"] for r in own] == [FORCED]
    assert float(own[0]["speedup"]) == pytest.approx(5.0, rel=0.05)
    assert {r["baseline"] for r in listed if r["row"] == "resnet18"} == {TORCH}
