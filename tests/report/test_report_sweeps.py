from __future__ import annotations

from report_lab import GPU, OPENVINO, TORCH, Lab, stack, truth

from hwnas.core.measurement import Status
from hwnas.report.cells import Selection
from hwnas.report.sweeps import find_sweeps
from hwnas.workloads.patterns import PATTERNS, pattern_workload


def test_depth_study(study: Selection) -> None:
    (sweep,) = find_sweeps(study.cells, "depth")
    assert (sweep.fixed, sweep.image, sweep.threads, sweep.values) == (64, "56x56", 1, (10, 20, 30))
    assert list(sweep.panels) == list(PATTERNS)
    lines = sweep.panels["standard"]
    assert [(x.backend, x.batch) for x in lines] == [(b, n) for b in (TORCH, OPENVINO, GPU) for n in (1, 8)]
    assert len(sweep.cells) == len(study.cells)
    assert find_sweeps(study.cells, "width") == []


def test_what_was_not_measured_is_a_gap(study: Selection) -> None:
    (sweep,) = find_sweeps(study.cells, "depth")
    factorized = next(x for x in sweep.panels["factorized"] if (x.backend, x.batch) == (TORCH, 1))
    assert [c is not None for c in factorized.cells] == [True, True, False]
    standard = next(x for x in sweep.panels["standard"] if (x.backend, x.batch) == (OPENVINO, 8))
    assert [c.status for c in standard.cells if c] == [Status.OK, Status.FAILED, Status.OK]


def test_sweeps_differ_in_what_they_hold_fixed(lab: Lab) -> None:
    small = [pattern_workload("standard", depth=d, width=32) for d in (10, 20)]
    coarse = [pattern_workload("grouped", depth=10, width=w, resolution=28) for w in (32, 64, 128)]
    lab.campaign({w: truth(w) for w in [stack(10), stack(20), stack(30), *small, *coarse]}, passes=1)
    cells = lab.select().cells
    assert [(s.fixed, s.values) for s in find_sweeps(cells, "depth")] == [(64, (10, 20, 30)), (32, (10, 20))]
    by_width = {s.image: s.values for s in find_sweeps(cells, "width")}
    assert by_width == {"28x28": (32, 64, 128), "56x56": (32, 64)}


def test_one_value_is_no_sweep(lab: Lab) -> None:
    failed = dict.fromkeys((TORCH, OPENVINO), (Status.FAILED, "crashed"))
    lab.campaign({stack(10): truth(stack(10)), stack(20): failed}, passes=1)
    assert find_sweeps(lab.select().cells, "depth") == []


def test_variants_of_a_pattern_have_panels_of_their_own(lab: Lab) -> None:
    variants = [pattern_workload("grouped", depth=d, width=64, groups=g) for d in (10, 20) for g in (4, 8)]
    lab.campaign({w: truth(w) for w in variants}, passes=1)
    (sweep,) = find_sweeps(lab.select().cells, "depth")
    assert list(sweep.panels) == ["grouped groups=4", "grouped groups=8"]
