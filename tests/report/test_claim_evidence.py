"""Which measurements count where there are several, or holes in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claim_cases import PAPER_CACHE, altered, findings
from claim_worlds import RIGHT
from report_lab import GPU, NO_GPU, OPENVINO, TORCH

from hwnas.core.measurement import Status
from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.catalogue import CLAIMS
from hwnas.report.claims.grid import largest_grid, smallest_batch
from hwnas.workloads.patterns import pattern_workload

_SLOW = {name: (10 * ms, speedup / 2) for name, (ms, speedup) in RIGHT.networks.items()}


def _elsewhere(**quality: object):
    """The same networks as another number of threads saw them."""
    return [replace(case, threads=2, **quality) for case in replace(RIGHT, networks=_SLOW).real()]


def test_a_contended_campaign_of_more_threads_does_not_judge_networks() -> None:
    found = findings([*RIGHT.real(), *_elsewhere(passes=1, preemptions=70.0)])
    for name in ("networks-at-least-twice", "mobilenet-fastest", "mobilenet-2.4-ms", "darts-1200"):
        assert found[name].verdict is ClaimVerdict.HOLDS, name
    note = found["darts-most"].note
    assert note.startswith("batch 1, 1 thread; 2 passes, 0 of 22 cells noisy or preempted")
    assert "also measured at 2 threads (1 pass, 22 of 22 cells noisy or preempted)" in note


@pytest.mark.parametrize(
    ("quality", "threads"),
    [
        ({}, 2),  # as good: all threads are the study's condition
        ({"passes": 3}, 2),
        ({"passes": 1}, 1),
        ({"passes": 3, "preemptions": 11.0}, 1),
        ({"preemptions": 9.0}, 2),
    ],
)
def test_threads_are_chosen_by_how_well_they_were_measured(quality: dict, threads: int) -> None:
    found = findings([*RIGHT.real(), *_elsewhere(**quality)])
    expected = ClaimVerdict.HOLDS if threads == 1 else ClaimVerdict.DOES_NOT_HOLD
    assert found["mobilenet-2.4-ms"].verdict is expected
    assert f"batch 1, {threads} thread" in found["mobilenet-2.4-ms"].note


def test_threads_at_which_a_network_is_missing_do_not_count() -> None:
    few = [case for case in _elsewhere(passes=5) if case.workload.name != "nasnetalarge"]
    found = findings([*RIGHT.real(), *few])
    assert "1 thread;" in found["mobilenet-fastest"].note
    assert "2 threads;" in found["mobilenet-2.4-ms"].note  # which needs no other network
    only = findings(few)
    assert only["mobilenet-fastest"].verdict is ClaimVerdict.NOT_MEASURED
    assert "nasnet_a_large over torch:cpu:fp32" in only["mobilenet-fastest"].note


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch):
    """The right world over four depths."""
    monkeypatch.setattr("claim_worlds.DEPTHS", (10, 20, 30, 50))
    return RIGHT.cases


def _holding(found) -> set[str]:
    return {name for name, f in found.items() if f.verdict is ClaimVerdict.HOLDS}


def test_one_refused_cell_costs_no_claim_but_its_size(deep) -> None:
    before = findings(deep)
    refused = altered(deep, lambda c: c.without(TORCH), name="grouped", depth=50, batch=32)
    found = findings(refused)
    assert _holding(found) == _holding(before)
    left_out = "left out: depth 50 (grouped of depth 50 and batch 32 on torch:cpu:fp32: refused (9 GiB))"
    assert left_out in found["average-speedup"].note
    assert "36 networks" in found["average-speedup"].here
    # Claims at batch 1 keep all depths.
    assert "depth 50" in found["depthwise-bottleneck-550"].note
    assert "left out" not in found["depthwise-bottleneck-550"].note


def test_a_refused_cell_of_the_smallest_batch_costs_its_depth(deep) -> None:
    found = findings(altered(deep, lambda c: c.without(OPENVINO), name="standard", depth=20, batch=1))
    for name in ("depthwise-bottleneck-550", "speedup-grows-with-depth", "average-speedup", "fewer-misses"):
        assert found[name].verdict is ClaimVerdict.HOLDS, name
        assert "left out: depth 20 (standard of depth 20 and batch 1" in found[name].note


def test_a_missing_comparison_costs_no_claim_but_its_size(deep) -> None:
    def apart(case):
        return replace(case, alone=(OPENVINO,))

    before, found = findings(deep), findings(altered(deep, apart, name="grouped", depth=20, batch=1))
    assert _holding(found) == _holding(before)
    reason = "on openvino:cpu:fp32: no speedup (not measured side by side with torch:cpu:fp32)"
    for name in ("average-speedup", "speedup-grows-with-depth"):
        assert f"left out: depth 20 (grouped of depth 20 and batch 1 {reason})" in found[name].note
    # What was counted needs no comparison.
    assert "left out" not in found["fewer-misses"].note
    without = findings(altered(deep, apart, name="depthwise_bottleneck", depth=50, batch=1))
    assert without["depthwise-bottleneck-550"].verdict is ClaimVerdict.NOT_MEASURED
    assert "side by side" in without["depthwise-bottleneck-550"].note
    assert without["depthwise-bottleneck-most"].verdict is ClaimVerdict.HOLDS


def test_a_study_without_speedups_does_not_go_before_one_that_has_them(deep) -> None:
    apart = [replace(c, alone=(OPENVINO,), threads=2) for c in deep if c.workload.params.get("depth") != 50]
    smaller = [c for c in RIGHT.over_depth() if c.workload.batch == 1]
    for cases in ([*apart, *smaller], [*smaller, *apart]):
        found = findings(cases)["depthwise-bottleneck-most"]
        assert found.verdict is ClaimVerdict.HOLDS
        assert "1 thread, depth 50;" in found.note
    assert "side by side" in findings(apart)["depthwise-bottleneck-most"].note


def test_a_batch_that_failed_at_most_depths_is_dropped(deep) -> None:
    cases = deep
    for depth in (20, 30, 50):
        cases = altered(cases, lambda c: c.without(TORCH), name="standard", depth=depth, batch=32)
    found = findings(cases)
    assert found["average-speedup"].verdict is ClaimVerdict.HOLDS
    assert "batch 1," in found["average-speedup"].note
    assert "left out: batch 32 (standard of depth 20 and batch 32" in found["average-speedup"].note
    assert found["native-slows-with-batch"].verdict is ClaimVerdict.NOT_MEASURED
    assert "only one batch" in found["native-slows-with-batch"].note


def test_sizes_that_not_all_patterns_have_take_no_part() -> None:
    """A 7 x 7 kernel, a batch of 2 and a depth of 5 are somebody's own measurements, not the study's."""
    before = {name: f.here for name, f in findings(RIGHT.cases).items()}
    own = [
        pattern_workload("depthwise_separable", depth=10, width=64, resolution=56, kernel=7),
        pattern_workload("standard", depth=10, width=64, resolution=56, batch=2),
        pattern_workload("standard", depth=5, width=64, resolution=56),
    ]
    like = RIGHT.cases[0]
    found = findings(
        [*RIGHT.cases, *(replace(like, workload=w, times={TORCH: 0.5, OPENVINO: 0.4}) for w in own)]
    )
    assert {name: f.here for name, f in found.items()} == before


def test_without_a_gpu_its_claims_are_not_measured_and_say_why() -> None:
    cases = [replace(c, times={**c.times, GPU: NO_GPU}) if GPU in c.times else c for c in RIGHT.cases]
    found = findings(cases)
    silent = {n: f.note for n, f in found.items() if f.verdict is ClaimVerdict.NOT_MEASURED}
    assert set(silent) == {
        "gpu-fastest",
        "wide-standard-needs-gpu",
        "depthwise-on-par-with-gpu",
        "gpu-misses-more-yet-faster",
    }
    assert all("no GPU was found" in note for note in silent.values())


def test_of_equal_studies_the_undisturbed_one_counts() -> None:
    disturbed = [
        replace(c, threads=2, preemptions=50.0).times_as_long(10.0)
        for c in RIGHT.cases
        if c.workload.kind == "pattern"
    ]
    found = findings([*RIGHT.cases, *disturbed])
    assert found["average-speedup"].verdict is ClaimVerdict.HOLDS
    assert "1 thread; 2 passes, 0 of 72 cells noisy or preempted" in found["average-speedup"].note


_NAMED = ("depthwise-bottleneck-550", "depthwise-bottleneck-520", "fifty-like-ten")


def test_claims_that_name_depths_are_not_judged_at_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claim_worlds.DEPTHS", (10, 20, 30))
    shallow = findings(RIGHT.cases)
    for name in _NAMED:
        assert shallow[name].verdict is ClaimVerdict.NOT_MEASURED, name
        assert "of depth 50 and batch 1" in shallow[name].note, name
    assert shallow["depthwise-bottleneck-most"].verdict is ClaimVerdict.HOLDS
    monkeypatch.setattr("claim_worlds.DEPTHS", (20, 30, 50))
    deep = findings(RIGHT.cases)
    assert "nothing was measured for depthwise_separable of depth 10" in deep["fifty-like-ten"].note
    assert deep["depthwise-bottleneck-550"].verdict is ClaimVerdict.HOLDS


def test_another_patterns_hole_costs_no_claim_on_one_pattern_at_a_depth(deep) -> None:
    found = findings(altered(deep, lambda c: c.without(TORCH), name="standard", depth=50, batch=1))
    for name in _NAMED:
        assert found[name].verdict is ClaimVerdict.HOLDS, name
        assert "left out: depth 50 (standard of depth 50" in found[name].note
    assert "depthwise bottleneck at depth 50" in found["depthwise-bottleneck-550"].note
    assert "depth 30" in found["depthwise-bottleneck-most"].note


def test_of_studies_as_large_at_one_batch_the_one_with_more_batches_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A quick study for cache misses does not judge speedups, however undisturbed it was."""
    monkeypatch.setattr("claim_worlds.BATCHES", (1, 8, 32))
    noisy = [replace(c, preemptions=50.0) for c in RIGHT.over_depth()]
    quick = []
    for case in noisy:
        if case.workload.batch == 1:
            depth = case.workload.params["depth"]
            larger = pattern_workload(case.workload.name, depth=depth, width=64, resolution=112)
            quick.append(replace(case, workload=larger, passes=1, preemptions=0.0).times_as_long(10.0))
    found = findings([*quick, *noisy])
    for name in ("depthwise-bottleneck-550", "speedup-grows-with-depth", "average-speedup"):
        assert found[name].verdict is ClaimVerdict.HOLDS, name
        assert found[name].note.startswith("56x56"), name
    assert found["fewer-misses"].note.startswith("112x112")


def test_a_cache_that_holds_everything_tells_nothing() -> None:
    silent = [
        replace(c, counts={arm: dict.fromkeys(found, 0.0) for arm, found in c.counts.items()})
        for c in RIGHT.cases
    ]
    found = findings(silent)["fewer-misses"]
    assert found.verdict is ClaimVerdict.NOT_MEASURED
    assert "--cache paper" in found.note


def test_another_cache_counts_where_the_studys_was_not_simulated() -> None:
    other = ("model", "1048576,16,64")
    cases = [
        replace(
            c,
            counts={
                arm: {other if kind == PAPER_CACHE else kind: n for kind, n in found.items() if n}
                for arm, found in c.counts.items()
            },
        )
        for c in RIGHT.cases
    ]
    found = findings(cases)["fewer-misses"]
    assert found.verdict is ClaimVerdict.HOLDS
    assert "1048576" in found.note


def test_no_rule_names_a_batch_that_it_does_not_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claim_worlds.BATCHES", (8,))
    found = findings(RIGHT.over_depth())
    rules = {claim.id: claim.rule for claim in CLAIMS}
    judged = [name for name, f in found.items() if f.verdict is not ClaimVerdict.NOT_MEASURED]
    assert {"depthwise-bottleneck-550", "gap-grows-with-depth", "fewest-macs-yet-slow"} <= set(judged)
    for name in judged:
        assert "batch 8" in found[name].note, name
        assert "batch 1" not in rules[name], name


_ALL = frozenset({10, 20, 30, 40})


@pytest.mark.parametrize(
    ("complete", "grid"),
    [
        ({1: _ALL, 8: _ALL}, ((10, 20, 30, 40), (1, 8))),
        ({1: _ALL, 8: _ALL - {40}}, ((10, 20, 30), (1, 8))),
        # Two holes that overlap nowhere: what all three have.
        ({1: _ALL - {10}, 8: _ALL - {40}, 32: _ALL}, ((20, 30, 40), (1, 32))),
        # Too few values say nothing of a trend, however many batches have them.
        ({1: _ALL, **dict.fromkeys(range(2, 9), frozenset({10, 20}))}, ((10, 20, 30, 40), (1,))),
        ({1: frozenset(), 8: _ALL}, ((10, 20, 30, 40), (8,))),
        ({1: frozenset()}, ((), (1,))),
        ({}, ((), ())),
    ],
)
def test_the_largest_grid(complete: dict[int, frozenset[int]], grid) -> None:
    assert largest_grid(complete) == grid


def test_the_smallest_batch_has_enough_values_where_one_has() -> None:
    assert smallest_batch({1: frozenset({10, 20}), 8: _ALL, 32: _ALL}) == ((10, 20, 30, 40), (8,))
    assert smallest_batch({8: frozenset({10}), 1: frozenset()}) == ((10,), (8,))
    assert smallest_batch({}) == ((), ())


def test_a_failure_is_told_with_its_status() -> None:
    crashed = altered(
        RIGHT.cases, lambda c: c.without(OPENVINO, Status.FAILED, "signal 9"), name="grouped", width=128
    )
    found = findings(crashed)["narrow-alike"]
    assert found.verdict is ClaimVerdict.NOT_MEASURED
    assert "grouped of width 128 and batch 1 on openvino:cpu:fp32: failed (signal 9)" in found.note
