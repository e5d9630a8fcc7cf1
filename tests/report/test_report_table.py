from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from report_lab import GPU, OPENVINO, TORCH, Lab, other_environment, stack
from rich.console import Console

from hwnas.core.measurement import PROTOCOL_VERSION, Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.report.columns import interval
from hwnas.report.table import print_report
from hwnas.testing.synthetic import SyntheticHost

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def printed(selection: Selection, width: int | None = None, colour: bool = False) -> str:
    """The report on a terminal of that width, or in a pipe."""
    file = io.StringIO()
    system = "standard" if colour else None
    print_report(
        Console(file=file, width=width, force_terminal=width is not None, color_system=system, highlight=False),
        selection,
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((8.123, 8.051, 8.2), "8.12 [8.05, 8.20]"),
        ((0.08123, 0.0801, 0.0825), "0.0812 [0.0801, 0.0825]"),
        ((123.4, 99.6, 130.0), "123 [100, 130]"),
        ((4056.0, 4001.0, 4103.0), "4056 [4001, 4103]"),
        ((9.996, 9.99, 10.01), "10.0 [10.0, 10.0]"),
        ((97.2, 92.6, 101.2), "97.2 [92.6, 101.2]"),
    ],
)
def test_three_digits(numbers: tuple[float, float, float], text: str) -> None:
    assert interval(*numbers) == text


def test_speedup_has_a_unit_and_two_decimals() -> None:
    assert interval(0.5512, 0.5401, 0.5602, "x", most_decimals=2) == "0.55x [0.54, 0.56]"


def test_pipe_gets_whole_rows_without_colour(study: Selection) -> None:
    lines = printed(study).splitlines()
    header, rows = lines[0], lines[1 : 1 + len(study.cells)]
    columns = re.split(r"\s{2,}", header.strip())
    assert columns == [
        *["network", "depth", "width", "input", "batch", "threads", "backend", "latency [ms]", "raw [ms]"],
        *["speedup", "verdict", "MACs", "GMAC/s", "reason"],
    ]
    assert not any("\x1b" in line for line in lines)
    for cell, row in zip(study.cells, rows, strict=True):
        assert row.startswith(cell.workload.name)
        assert f" {cell.backend} " in row
        if cell.estimate:
            e = cell.estimate
            assert interval(e.latency_s * 1e3, e.low_s * 1e3, e.high_s * 1e3) in row
        else:
            assert f"{cell.status} (" in row
            assert row.endswith(cell.reason)
        if cell.comparison:
            assert str(cell.comparison.verdict) in row
    assert "".join(lines) == "".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_terminal_fits(study: Selection, width: int) -> None:
    text = printed(study, width)
    assert max(map(len, text.splitlines())) <= width
    for cell in study.cells:
        if cell.estimate:
            e = cell.estimate
            # In one piece, so nothing was wrapped.
            assert interval(e.latency_s * 1e3, e.low_s * 1e3, e.high_s * 1e3) in text
    assert ("GMAC/s" in text) == (width > 90)
    assert ("MACs" in text.replace("GMAC/s", "")) == (width == 200)


def test_narrow_terminal_loses_nothing(study: Selection) -> None:
    text = printed(study, 50)
    assert max(map(len, text.splitlines())) <= 50
    assert text.count("FASTER") >= sum(c.comparison is not None for c in study.cells)


def test_sections_say_once_what_does_not_change(study: Selection) -> None:
    lines = [line.rstrip() for line in printed(study, 80).splitlines()]
    at = lines.index("standard  input 64x56x56, width 64, 1 thread")
    assert lines[at + 1].split() == ["depth", "batch", "backend", "latency", "[ms]", "speedup", "verdict"]
    assert lines[at + 2].split()[:3] == ["10", "1", "torch"]
    assert lines[at + 3].split()[0] == "openvino:cpu"


def test_reasons_are_told_once(study: Selection) -> None:
    text = " ".join(printed(study, 80).split())
    assert text.count("no GPU was found. Install its driver") == 1
    skipped = sum(c.status is Status.SKIPPED for c in study.cells)
    assert f"(1) skipped on openvino:gpu:fp16, {skipped} cells: no GPU was found" in text
    assert "failed on openvino:cpu:fp32, 1 cell: the worker died: signal 9" in text
    missing = sum(c.estimate is None for c in study.cells)
    assert f"Not measured {missing} cells of {len(study.cells)}" in text


def test_statement_says_where_and_how(study: Selection) -> None:
    text = " ".join(printed(study).split())
    for part in (
        "Host Example CPU, 4 logical CPUs, limited to 1.5",
        f"Environment {study.environment.fingerprint}",
        "Versions torch 2.13, openvino 2026.4",
        "Campaigns depth of ",
        f"protocol {PROTOCOL_VERSION}, 1 thread, 1 pass in fresh processes",
        "Noise block medians scatter by ",
        "agree with the reference (synthetic), largest relative error 2.0e-06 where 0.0001 is allowed",
        "95 % bootstrap intervals",
        "of one pass cannot show that difference",
        "against torch:cpu:fp32: FASTER and SLOWER by more than 2.5%",
    ):
        assert part in text


def test_summary(lab: Lab) -> None:
    lab.campaign({stack(10): {TORCH: 0.010, OPENVINO: 0.005}, stack(20): {TORCH: 0.010, OPENVINO: 0.02}})
    text = printed(lab.select())
    _, _, after = text.partition("Speedup of openvino:cpu:fp32 over torch:cpu:fp32")
    row = after.splitlines()[2]
    # The geometric mean of 2 and 1/2 is 1.
    speedup, low, high = re.search(r"standard\s+([\d.]+)x\s+([\d.]+) to ([\d.]+)", row).groups()  # type: ignore[union-attr]
    assert [float(v) for v in (speedup, low, high)] == pytest.approx([1.0, 0.5, 2.0], rel=0.03)
    assert row.endswith("1 FASTER, 1 SLOWER")


def test_colours_only_on_a_terminal(lab: Lab) -> None:
    lab.campaign({stack(10): {TORCH: 0.010, OPENVINO: 0.005}, stack(20): {TORCH: 0.010, OPENVINO: 0.02}})
    text = printed(lab.select(), 100, colour=True)
    assert "\x1b[1;32mFASTER" in text
    assert "\x1b[1;31mSLOWER" in text
    assert ESCAPE.sub("", text) == printed(lab.select(), 100)


def test_noise_is_flagged_and_explained(lab: Lab) -> None:
    lab.host = SyntheticHost(2, noise=0.2)
    lab.campaign({stack(): {TORCH: 0.010, OPENVINO: 0.005}})
    text = printed(lab.select(), 80)
    assert re.search(r"verdict\s+noise", text)
    assert "scatter by more than 10% even after drift correction" in text
    lab.host = SyntheticHost(3, noise=0.001)
    lab.campaign({stack(): {TORCH: 0.010, OPENVINO: 0.005}}, fresh=True)
    assert "noisy" not in printed(lab.select(), 80)


def test_nothing_but_failures(lab: Lab) -> None:
    lab.campaign({stack(): {TORCH: (Status.FAILED, "[red] crashed"), GPU: (Status.SKIPPED, "")}})
    for text in (printed(lab.select()), printed(lab.select(), 80)):
        assert "failed on torch:cpu:fp32, 1 cell: [red] crashed" in text
        assert "skipped on openvino:gpu:fp16, 1 cell: no reason was recorded" in text
        assert "nan" not in text


def test_models_have_no_depth(lab: Lab) -> None:
    model = Workload("torchvision", "resnet18", (1, 3, 64, 64))
    lab.campaign({model: {TORCH: 0.010, OPENVINO: 0.005}})
    assert "torchvision:resnet18  input 3x64x64, batch 1, 1 thread" in printed(lab.select(), 80)
    assert "depth" not in printed(lab.select()).splitlines()[0]


def test_several_campaigns_and_a_missing_speedup_are_told(lab: Lab) -> None:
    lab.campaign({stack(): {TORCH: 0.010, OPENVINO: 0.005}})
    lab.campaign({stack(): {OPENVINO: 0.005}}, fresh=True)
    text = printed(lab.select())
    assert "1 cell measured more than once: the newest campaign of several passes counts" in text
    assert "No speedup" in text
    assert "not measured side by side with torch:cpu:fp32" in text
    assert "this environment has no canary reference" in text


def test_lost_passes_are_told(lab: Lab) -> None:
    uid = lab.campaign({stack(): {TORCH: 0.010}}, passes=1)
    lab.add(lab.host.group(stack(), {TORCH: (Status.FAILED, "crashed")}, pass_index=1), uid)
    assert "on torch:cpu:fp32: 1 of 2 passes failed: crashed" in printed(lab.select())


def test_other_environments_versions(lab: Lab) -> None:
    bare = replace(other_environment(), versions={}, virtualisation="kvm", cgroup_cpus=None)
    lab.environment = bare
    lab.campaign({stack(): {TORCH: 0.010}})
    text = " ".join(printed(lab.select()).split())
    assert "Host Another CPU, 4 logical CPUs, kvm" in text
    assert "Versions not recorded" in text
