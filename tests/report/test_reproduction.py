"""The page's commands measure what was measured; where they cannot, the page says what was otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report_lab import OPENVINO, TORCH, Lab

from hwnas.core.workload import Workload
from hwnas.measuring.experiment import Experiment, adjusted
from hwnas.measuring.experiment_file import load_experiment
from hwnas.report.cells import Selection
from hwnas.report.claims.studied import PAPER_ERA
from hwnas.report.html.reproduction import commands, database, own_campaigns
from hwnas.report.html.setup import Difference, differences

DEFAULT_HEAP = "torch-default-heap:cpu:fp32"
HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


@pytest.fixture(scope="module")
def width() -> Experiment:
    return load_experiment("width")


def _measured(lab: Lab, spec: dict[str, Any], workload: Workload, name: str = "width") -> Selection:
    record = lab.store.campaign(name, spec, lab.environment)
    lab.add(lab.host.group(workload, {TORCH: 0.008, OPENVINO: 0.002}), record.uid)
    return lab.select()


def _lines(selection: Selection) -> list[str]:
    return [line for line in commands(selection) if not line.startswith("pip")][:-1]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ""),
        ({"threads": 1, "passes": 3}, " --passes 3"),
        # As many passes as the file, but exactly so many.
        ({"passes": 2}, " --passes 2"),
        (
            {"budget_s": 0.5, "backends": (TORCH, OPENVINO)},
            f" --budget 0.5s --backend {TORCH} --backend {OPENVINO}",
        ),
        ({"batch": 8}, " --batch 8"),
    ],
)
def test_the_commands_options_are_told(
    lab: Lab, width: Experiment, changes: dict[str, Any], options: str
) -> None:
    measured = adjusted(width, **changes)
    selection = _measured(lab, measured.spec(), measured.workloads[0])
    assert _lines(selection) == [f"hwnas measure width{options}"]


def test_threads_are_told(lab: Lab, width: Experiment) -> None:
    spec = {**width.spec(), "threads": 2}
    assert _lines(_measured(lab, spec, width.workloads[0])) == ["hwnas measure width --threads 2"]


def test_every_setting_without_an_option_is_named_with_both_values(lab: Lab, width: Experiment) -> None:
    settings = {
        **width.settings.to_dict(),
        "max_passes": 7,
        "latency_half_width": 0.04,
        "turn_s": 0.1,
        "gone": 1,
    }
    comment, command = _lines(_measured(lab, {**width.spec(), "settings": settings}, width.workloads[0]))
    assert comment == (
        "# measured with other settings: max_passes 7 (now 3); latency_half_width 0.04 (now 0.0); "
        "turn_s 0.1 (now 0.06); gone 1 (no setting any more)"
    )
    assert command == "hwnas measure width"


def test_a_setting_that_was_not_there_yet_had_its_default(lab: Lab) -> None:
    """As with the shipped networks, which were measured before latencies were asked for so closely."""
    networks = load_experiment("networks")
    settings = {k: v for k, v in networks.settings.to_dict().items() if k != "latency_half_width"}
    spec = {**networks.spec(), "settings": {**settings, "max_passes": 3}}
    comment, command = _lines(_measured(lab, spec, networks.workloads[0], "networks"))
    assert comment == "# measured with other settings: max_passes 3 (now 5); latency_half_width 0.0 (now 0.04)"
    assert command == "hwnas measure networks"


def test_other_networks_than_the_files_are_counted(lab: Lab, width: Experiment) -> None:
    keys = [*width.spec()["workloads"][2:], "another"]
    comment, _ = _lines(_measured(lab, {**width.spec(), "workloads": keys}, width.workloads[2]))
    expected = "1 network that the file does not have, without 2 networks of the file"
    assert comment == f"# measured with other settings: {expected}"


def test_what_ships_is_named_and_a_file_of_ones_own_is_not(lab: Lab, width: Experiment) -> None:
    selection = _measured(lab, width.spec(), width.workloads[0])
    fingerprint = selection.environment.fingerprint
    assert commands(selection)[-1] == f"hwnas report --environment {fingerprint}"
    shipped = replace(selection, location="shipped")
    assert commands(shipped)[-1] == f"hwnas report --db shipped --environment {fingerprint}"
    assert (database(selection), database(shipped)) == ("", " --db shipped")
    assert own_campaigns(selection) == []


def _heap(lab: Lab, width: Experiment, heaps: dict[str, dict[str, str] | None]) -> Difference:
    found = lab.host.group(width.workloads[0], dict.fromkeys(heaps, 0.01))
    effective = {arm: {} if heap is None else {"allocator": heap} for arm, heap in heaps.items()}
    lab.add([replace(m, effective=effective[m.backend]) for m in found], None)
    (line,) = [d for d in differences(lab.select()) if d.what == "PyTorch's heap"]
    return line


def test_a_tuned_heap_differs_from_the_studys_and_the_arm_without_is_named(lab: Lab, width: Experiment) -> None:
    line = _heap(lab, width, {TORCH: HEAP, OPENVINO: HEAP})
    assert line.here is not None
    for part in ("MALLOC_MMAP_MAX_=0", "docs/protocol.md", DEFAULT_HEAP, "not measured here"):
        assert part in line.here


def test_where_the_arm_without_was_measured_nothing_else_is_said(lab: Lab, width: Experiment) -> None:
    here = _heap(lab, width, {TORCH: HEAP, DEFAULT_HEAP: {}}).here
    assert here is not None
    assert here.endswith(f"{DEFAULT_HEAP} is the arm with the defaults")


def test_a_heap_of_defaults_is_no_tuned_one_and_an_unknown_one_is_unknown(lab: Lab, width: Experiment) -> None:
    assert _heap(lab, width, {TORCH: {}, OPENVINO: HEAP}).here == "the C library's defaults"


def test_a_heap_that_nobody_stored_is_not_guessed(lab: Lab, width: Experiment) -> None:
    line = _heap(lab, width, {TORCH: None, OPENVINO: HEAP})
    assert (line.here, line.reason) == (None, "no arm of PyTorch tells")


def _onednn(selection: Selection) -> Difference:
    (line,) = [d for d in differences(selection) if d.what == "oneDNN in PyTorch"]
    return line


def test_onednns_progress_is_told_with_the_arm_that_runs_as_the_study_did(lab: Lab, width: Experiment) -> None:
    lab.add(lab.host.group(width.workloads[0], {TORCH: 0.01}), None)
    alone = _onednn(lab.select())
    assert "dilated convolutions ran outside it" in alone.paper
    assert alone.here is not None
    for part in ("PyTorch 2.13", "dilated convolutions run in it", PAPER_ERA, "not measured here"):
        assert part in alone.here
    lab.add(lab.host.group(width.workloads[1], {TORCH: 0.01, PAPER_ERA: 0.02}), None)
    beside = _onednn(lab.select())
    assert beside.here is not None
    assert beside.here.endswith(f"{PAPER_ERA} is the arm that runs them outside")


def test_a_version_of_pytorch_that_nobody_stored_is_not_guessed(lab: Lab, width: Experiment) -> None:
    selection = _measured(lab, width.spec(), width.workloads[0])
    line = _onednn(replace(selection, environment=replace(selection.environment, versions={})))
    assert (line.here, line.reason) == (None, "not recorded")


def test_a_build_of_torch_that_pypi_does_not_have_is_found(lab: Lab, width: Experiment) -> None:
    selection = _measured(lab, width.spec(), width.workloads[0])
    versions = {"torch": "2.6.0+cpu", "openvino": "2026.4.1"}
    found = commands(replace(selection, environment=replace(selection.environment, versions=versions)))
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert found[0] == f"pip install torch==2.6.0+cpu openvino==2026.4.1 {index}"
    assert "--extra-index-url" not in commands(selection)[0]


def test_another_baseline_is_named(lab: Lab, width: Experiment) -> None:
    selection = _measured(lab, width.spec(), width.workloads[0])
    assert "--baseline" not in commands(selection)[-1]
    assert commands(replace(selection, baseline=OPENVINO))[-1].endswith(f" --baseline {OPENVINO}")
