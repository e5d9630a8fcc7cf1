from __future__ import annotations

import statistics

import pytest
from report_lab import GPU, NO_GPU, OPENVINO, TORCH, Lab, stack, truth

from hwnas.core.measurement import Status
from hwnas.report.cells import Selection
from hwnas.report.speedups import shared_properties, speedup_bars
from hwnas.report.summary import summarise
from hwnas.workloads.patterns import PATTERNS, pattern_workload


def test_few_networks_have_a_bar_each(lab: Lab) -> None:
    workloads = [stack(10), stack(20)]
    lab.campaign({w: {**truth(w), GPU: NO_GPU} for w in workloads})
    cells = lab.select().cells
    bars = speedup_bars(cells)
    assert [(b.network, b.label, b.backend) for b in bars] == [
        ("standard", "depth 10", OPENVINO),
        ("standard", "depth 20", OPENVINO),
    ]
    for bar, workload in zip(bars, workloads, strict=True):
        true = truth(workload)
        assert bar.speedup == pytest.approx(true[TORCH] / true[OPENVINO], rel=0.02)
        assert bar.low is not None
        assert bar.low < bar.members[0] == bar.speedup < bar.high  # type: ignore[operator]
    assert shared_properties(cells) == ["input 56x56", "1 thread", "batch 1", "width 64"]


def test_many_networks_share_bars(lab: Lab) -> None:
    workloads = [
        pattern_workload(p, depth=d, width=64, batch=b) for p in PATTERNS for d in range(1, 6) for b in (1, 8)
    ]
    lab.campaign({w: {TORCH: 0.01, OPENVINO: 0.001 * w.batch} for w in workloads}, passes=1)
    selection = lab.select()
    bars = speedup_bars(selection.cells)
    assert len(bars) == 12
    first = bars[0]
    assert (first.label, len(first.members), first.low, first.verdict) == ("batch 1", 5, None, None)
    assert first.speedup == pytest.approx(statistics.geometric_mean(first.members))
    assert first.record()["smallest"] == min(first.members)


def test_missing_speedup_keeps_its_reason(lab: Lab) -> None:
    crash = (Status.FAILED, "crashed")
    lab.campaign(
        {
            stack(10): truth(stack(10)),
            stack(20): {TORCH: 0.01, OPENVINO: crash},
            stack(30): {TORCH: crash, OPENVINO: 0.01},
        }
    )
    ten, twenty, thirty = speedup_bars(lab.select().cells)
    assert ten.reason == ""
    assert (twenty.speedup, twenty.reason) == (None, "failed: crashed")
    assert (thirty.speedup, thirty.reason) == (None, "torch:cpu:fp32 failed: crashed")


def test_without_a_baseline_there_are_none(lab: Lab) -> None:
    lab.campaign({stack(): {OPENVINO: 0.01}})
    assert speedup_bars(lab.select().cells) == []


def test_summary_counts_verdicts(study: Selection) -> None:
    found = summarise(study.cells, lambda c: c.workload.name)
    assert list(found) == list(PATTERNS)
    assert found["standard"].networks == 5
    assert found["standard"].verdicts == {"FASTER": 5}
    assert found["standard"].smallest <= found["standard"].speedup <= found["standard"].largest
