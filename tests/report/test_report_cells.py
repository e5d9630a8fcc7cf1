from __future__ import annotations

from dataclasses import replace

import pytest
from report_lab import GPU, NO_GPU, OPENVINO, TORCH, Lab, other_environment, stack

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import SEARCH_CAMPAIGN, TRAINING_CAMPAIGN, Agreement, Status
from hwnas.core.workload import Workload
from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import IS_BASELINE, Cell, Selection
from hwnas.report.context import statement
from hwnas.testing.synthetic import CANARY_REFERENCE, SyntheticHost

W = stack()


def find(selection: Selection, backend: str, workload: Workload = W) -> Cell:
    (cell,) = [c for c in selection.cells if (c.backend, c.workload) == (backend, workload)]
    return cell


def test_latencies_and_speedups_are_those_of_the_machine(lab: Lab) -> None:
    lab.set_reference()
    workloads = [stack(depth=d) for d in range(10, 22)]
    lab.campaign({w: {TORCH: 0.008, OPENVINO: 0.002} for w in workloads}, passes=3)
    selection = lab.select()
    speedups = [c.comparison for c in selection.cells if c.comparison]
    assert len(speedups) == 12
    assert all(c.speedup == pytest.approx(4.0, rel=0.02) for c in speedups)
    assert {c.verdict for c in speedups} == {Verdict.FASTER}
    assert sum(c.low <= 4.0 <= c.high for c in speedups) >= 9
    latencies = [c.estimate for c in selection.cells if c.backend == TORCH and c.estimate]
    assert all(e.latency_s == pytest.approx(0.008, rel=0.02) for e in latencies)
    assert all((e.passes, e.samples) == (3, 3 * 12 * 4 * 3) for e in latencies)


def test_equal_arms_are_same(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.008}}, passes=3)
    comparison = find(lab.select(), OPENVINO).comparison
    assert comparison is not None
    assert comparison.verdict is Verdict.SAME


def test_latency_refers_to_the_canary_reference(lab: Lab) -> None:
    lab.set_reference({name: 1.1 * value for name, value in CANARY_REFERENCE.items()})
    lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.002}})
    selection = lab.select()
    found = find(selection, TORCH).estimate
    assert found is not None
    # The host's networks slow down by the canary's slow-down to the power 0.6.
    assert found.latency_s == pytest.approx(0.008 * 1.1**0.6, rel=0.01)
    assert selection.has_reference


def test_without_a_reference_the_report_says_so(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008}})
    assert not lab.select().has_reference


@pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED, Status.REFUSED])
def test_cell_without_samples_keeps_its_reason(lab: Lab, status: Status) -> None:
    lab.campaign({W: {TORCH: 0.008, GPU: (status, "a reason")}})
    cell = find(lab.select(), GPU)
    assert (cell.status, cell.reason) == (status, "a reason")
    assert cell.estimate is None
    assert cell.comparison is None
    assert cell.no_comparison


def test_lost_pass_is_told(lab: Lab) -> None:
    uid = lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.002}}, passes=1)
    lab.add(lab.host.group(W, {TORCH: 0.008, OPENVINO: (Status.FAILED, "crashed")}, pass_index=1), uid)
    cell = find(lab.select(), OPENVINO)
    assert cell.status is Status.OK
    assert cell.reason == "1 of 2 passes failed: crashed"
    assert cell.estimate is not None
    assert cell.estimate.passes == 1
    assert cell.comparison is not None


def test_baseline_that_failed_is_the_reason_for_no_speedup(lab: Lab) -> None:
    lab.campaign({W: {TORCH: (Status.FAILED, "timed out"), OPENVINO: 0.002}})
    cell = find(lab.select(), OPENVINO)
    assert cell.comparison is None
    assert cell.no_comparison == "torch:cpu:fp32 failed: timed out"


def test_arms_of_different_campaigns_are_not_compared(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008}}, "first")
    lab.campaign({W: {OPENVINO: 0.002}}, "second")
    selection = lab.select()
    assert find(selection, OPENVINO).no_comparison == "not measured side by side with torch:cpu:fp32"
    assert find(selection, TORCH).no_comparison == IS_BASELINE
    assert {c.name for c in selection.campaigns} == {"first", "second"}


def test_environments_are_never_mixed(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008}})
    lab.campaign({W: {TORCH: 0.080}}, environment=other_environment())
    (cell,) = lab.select().cells
    assert cell.estimate is not None
    assert (cell.estimate.passes, cell.estimate.latency_s) == (2, pytest.approx(0.008, rel=0.05))
    assert lab.select().environment == lab.environment


def test_newest_campaign_of_a_cell_counts_and_older_ones_are_told(lab: Lab) -> None:
    other = stack(depth=20)
    lab.campaign({W: {TORCH: 0.008}, other: {TORCH: 0.016}})
    newest = lab.campaign({W: {TORCH: 0.004}}, fresh=True)
    selection = lab.select()
    again, only = find(selection, TORCH), find(selection, TORCH, other)
    assert again.estimate is not None
    assert (again.generation, again.estimate.passes) == (1, 2)
    assert again.estimate.latency_s == pytest.approx(0.004, rel=0.05)
    assert only.generation == 0
    assert selection.superseded == 1
    assert newest in {c.uid for c in selection.campaigns}


def test_a_brief_campaign_gives_its_counts_to_a_thorough_one(lab: Lab) -> None:
    """As cache_width counts the networks that width times."""
    lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.002}}, "width")
    counted = Counter(LLC_MISSES, 5e6, "model", "4194304,16,64", 1)
    record = lab.store.campaign("cache_width", {"settings": {"passes": 1}}, lab.environment)
    brief = lab.host.group(W, {TORCH: 0.004, OPENVINO: 0.004})
    lab.add([replace(m, counters=(counted,)) for m in brief], record.uid)
    cell = find(lab.select(), OPENVINO)
    assert cell.campaign == "width"
    assert cell.estimate is not None
    assert cell.estimate.latency_s == pytest.approx(0.002, rel=0.05)
    assert cell.cache_misses == (counted,)
    assert find(lab.select(campaign="cache_width"), OPENVINO).campaign == "cache_width"


def test_a_newer_failure_is_not_hidden_by_an_older_success(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008}})
    lab.campaign({W: {TORCH: (Status.FAILED, "crashed")}}, fresh=True)
    (cell,) = lab.select().cells
    assert cell.status is Status.FAILED


def test_campaign_by_name_and_by_uid(lab: Lab) -> None:
    first = lab.campaign({W: {TORCH: 0.008}})
    lab.campaign({W: {TORCH: 0.004}}, fresh=True)
    lab.campaign({stack(depth=50): {TORCH: 0.1}}, "depth")
    assert [c.generation for c in lab.select(campaign="quick").cells] == [1]
    assert [c.generation for c in lab.select(campaign=first[:12]).cells] == [0]
    with pytest.raises(UnknownName, match="Did you mean depth"):
        lab.select(campaign="dept")


def test_measurements_without_a_campaign(lab: Lab) -> None:
    lab.add(lab.host.group(W, {TORCH: 0.008, OPENVINO: 0.002}), None)
    cell = find(lab.select(), OPENVINO)
    assert (cell.campaign, cell.generation) == (None, None)
    assert cell.comparison is not None
    lab.campaign({W: {OPENVINO: 0.001}})
    assert find(lab.select(), OPENVINO).campaign == "quick"


def test_filters_keep_the_baseline_at_hand(lab: Lab) -> None:
    lab.campaign({stack(depth=d): {TORCH: 0.008, OPENVINO: 0.002, GPU: NO_GPU} for d in (10, 20)})
    (cell,) = lab.select(backend=OPENVINO, depth=20).cells
    assert cell.comparison is not None
    assert {c.backend for c in lab.select(status="skipped").cells} == {GPU}
    with pytest.raises(UsageError, match="no measurement"):
        lab.select(depth=30)


def test_another_baseline(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.002}})
    selection = lab.select(baseline=OPENVINO)
    comparison = find(selection, TORCH).comparison
    assert comparison is not None
    assert comparison.speedup == pytest.approx(0.25, rel=0.02)
    assert comparison.verdict is Verdict.SLOWER
    assert find(selection, OPENVINO).no_comparison == IS_BASELINE


def test_baseline_where_the_usual_one_was_not_measured(lab: Lab) -> None:
    spec = {"backends": [OPENVINO, GPU]}
    record = lab.store.campaign("arms", spec, lab.environment)
    lab.add(lab.host.group(W, {OPENVINO: 0.004, GPU: 0.001}), record.uid)
    assert lab.select().baseline == OPENVINO
    lab.campaign({stack(20): {TORCH: 0.01}})
    assert lab.select().baseline == TORCH
    chosen = lab.select(campaign="arms")
    assert chosen.baseline == OPENVINO
    comparison = find(chosen, GPU).comparison
    assert comparison is not None
    assert comparison.speedup == pytest.approx(4, rel=0.03)


def test_threads_are_cells_of_their_own(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.002}}, "one")
    lab.campaign({W: {TORCH: 0.004, OPENVINO: 0.002}}, "two", threads=2)
    speedups = {c.threads: c.comparison.speedup for c in lab.select().cells if c.comparison}
    assert speedups == {1: pytest.approx(4, rel=0.03), 2: pytest.approx(2, rel=0.03)}


def test_order_is_that_of_the_study(study: Selection) -> None:
    names = list(dict.fromkeys(c.workload.name for c in study.cells))
    assert names[0] == "standard"
    assert names[-2:] == ["depthwise_bottleneck", "grouped"]
    first = [(c.workload.params["depth"], c.workload.batch, c.backend) for c in study.cells[:7]]
    assert first[:4] == [(10, 1, TORCH), (10, 1, OPENVINO), (10, 1, GPU), (10, 8, TORCH)]
    assert first[6] == (20, 1, TORCH)


def test_flags(lab: Lab) -> None:
    lab.host = SyntheticHost(2, noise=0.2)
    lab.campaign({W: {TORCH: 0.008}})
    (noisy,) = lab.select().cells
    assert noisy.flags == ("noisy",)
    assert noisy.estimate is not None
    quiet = replace(noisy.estimate, residual_noise=0.01)
    assert replace(noisy, estimate=quiet).flags == ()
    assert replace(noisy, estimate=replace(quiet, preemptions_per_s=30.0)).flags == ("preempted",)
    assert replace(noisy, estimate=None).flags == ()


def test_worst_agreement_is_kept(lab: Lab) -> None:
    uid = lab.campaign({W: {TORCH: 0.008}}, passes=1)
    (worse,) = lab.host.group(W, {TORCH: 0.008}, pass_index=1)
    lab.add([replace(worse, agreement=Agreement(True, 3e-5, 1e-4, "synthetic"))], uid)
    (cell,) = lab.select().cells
    assert cell.agreement is not None
    assert cell.agreement.max_relative_error == 3e-5


def test_latencies_that_say_the_opposite_of_the_verdict_are_marked(lab: Lab) -> None:
    """The host was at another speed while one arm was measured alone: the pairs in the rounds still tell."""
    lab.set_reference()
    uid = lab.campaign({W: {TORCH: 0.008, OPENVINO: 0.0076}}, passes=2)
    assert find(lab.select(), OPENVINO).flags == ()
    lab.add(lab.host.group(W, {OPENVINO: 0.012}, pass_index=2, rounds=200), uid)
    lab.add(lab.host.group(W, {OPENVINO: 0.012}, pass_index=3, rounds=200), uid)
    for selection in (lab.select(), lab.select(backend=OPENVINO)):
        cell = find(selection, OPENVINO)
        assert cell.comparison is not None
        assert cell.comparison.verdict is Verdict.FASTER
        assert "contradicted" in cell.flags
        assert "rounds side by side" in dict(statement(selection))["contradicted"]
    assert "contradicted" not in find(lab.select(), TORCH).flags


def test_what_a_predictor_learns_from_is_no_baseline_of_a_report(lab: Lab) -> None:
    lab.campaign({stack(20): {TORCH: 0.01}}, TRAINING_CAMPAIGN)
    record = lab.store.campaign("arms", {"backends": [OPENVINO, GPU]}, lab.environment)
    lab.add(lab.host.group(W, {OPENVINO: 0.004, GPU: 0.001}), record.uid)
    selection = lab.select()
    assert selection.baseline == OPENVINO
    assert find(selection, GPU).comparison is not None
    # Without a campaign it is shown, and compared with.
    lab.add(lab.host.group(stack(30), {TORCH: 0.01}), None)
    assert lab.select().baseline == TORCH


def test_where_only_a_search_has_measured_that_is_said(lab: Lab) -> None:
    lab.campaign({W: {OPENVINO: 0.002}}, SEARCH_CAMPAIGN)
    with pytest.raises(UsageError, match=r"measured for search, .* hwnas report --campaign search"):
        lab.select()
    assert len(lab.select(campaign=SEARCH_CAMPAIGN).cells) == 1
    lab.campaign({stack(20): {OPENVINO: 0.004}})
    with pytest.raises(UsageError, match="no measurement in"):
        lab.select(depth=10)


def test_campaigns_are_those_of_the_cells_that_are_shown(lab: Lab) -> None:
    lab.campaign({W: {TORCH: 0.008}})
    lab.campaign({W: {TORCH: 0.008}}, fresh=True)
    lab.campaign({stack(20): {TORCH: 0.016, OPENVINO: 0.004}}, "depth")
    whole, own = lab.select(), lab.select(backend=OPENVINO)
    assert (sorted(c.name for c in whole.campaigns), whole.superseded) == (["depth", "quick"], 1)
    assert ([c.name for c in own.campaigns], own.superseded) == (["depth"], 0)
