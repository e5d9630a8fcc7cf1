"""What a plan leaves to do."""

import pytest

from hwnas.core.measurement import Status
from hwnas.host.canary import multiply_adds_per_s
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Group, Plan
from hwnas.measuring.settings import Settings
from hwnas.workloads.patterns import pattern_workload

ONE, TWO = (pattern_workload("standard", depth=d, width=8, resolution=8) for d in (1, 2))
ARMS = ("torch:cpu:fp32", "openvino:cpu:fp32", "openvino:gpu:fp16")


@pytest.fixture
def plan():
    return Plan.of(Experiment("test", "", (ONE, TWO), ARMS, 1, Settings(passes=2)))


def _store(plan, workload, pass_index, *statuses):
    for backend, status in zip(ARMS, statuses, strict=True):
        plan.mark(workload.key, backend, pass_index, status)


def _left(plan, pass_index):
    return {(g.workload, g.backends) for g in plan.groups(pass_index)}


def test_all_of_it_at_first(plan):
    assert plan.total == plan.remaining == 2 * 2 * 3
    assert _left(plan, 0) == {(ONE, ARMS), (TWO, ARMS)}
    assert plan.groups(2) == []


def test_a_skipped_arm_takes_no_part_in_later_passes(plan):
    _store(plan, ONE, 0, Status.OK, Status.OK, Status.SKIPPED)
    assert _left(plan, 0) == {(TWO, ARMS)}
    assert _left(plan, 1) == {(ONE, ARMS[:2]), (TWO, ARMS)}
    assert plan.total - plan.remaining == 3


def test_one_failure_after_a_success_is_no_reason_to_give_up(plan):
    _store(plan, ONE, 0, Status.OK, Status.OK, Status.SKIPPED)
    plan.add_pass(2, [ONE])
    plan.mark(ONE.key, ARMS[0], 1, Status.OK)
    plan.mark(ONE.key, ARMS[1], 1, Status.FAILED)
    assert _left(plan, 2) == {(ONE, ARMS[:2])}


def test_an_arm_whose_failure_was_taken_back_catches_up_beside_the_baseline(plan):
    for pass_index in (0, 1):
        for backend in ARMS[:2]:
            plan.mark(ONE.key, backend, pass_index, Status.OK)
    assert {w for w, _ in _left(plan, 0) | _left(plan, 1)} == {TWO}
    assert plan.remaining == 2 * 3 + 2 * 2
    beside = (ARMS[0], ARMS[2])
    assert plan.catching_up() == [Group(ONE, 2, beside, first=frozenset(ARMS[2:]))]
    for backend in beside:
        plan.mark(ONE.key, backend, 2, Status.OK)
    assert plan.catching_up() == [Group(ONE, 3, beside, first=frozenset())]
    plan.mark(ONE.key, ARMS[0], 3, Status.OK)
    plan.mark(ONE.key, ARMS[2], 3, Status.FAILED)
    assert plan.catching_up() == []


def test_a_pass_that_was_taken_back_is_made_up_for(plan):
    """Of three passes one failed, and its failure is forgotten: the arm lacks one."""
    _store(plan, ONE, 0, Status.OK, Status.OK, Status.SKIPPED)
    plan.mark(ONE.key, ARMS[0], 1, Status.OK)
    assert plan.catching_up() == [Group(ONE, 2, ARMS[:2])]


def test_a_baseline_that_was_taken_back_needs_all_arms_beside_it(plan):
    for pass_index in (0, 1):
        plan.mark(ONE.key, ARMS[1], pass_index, Status.OK)
    plan.mark(ONE.key, ARMS[2], 0, Status.SKIPPED)
    assert plan.catching_up() == [Group(ONE, 2, ARMS[:2], first=frozenset(ARMS[:1]))]


def test_a_cell_that_is_told_twice_counts_once(plan):
    workload = plan.experiment.workloads[0]
    for _ in range(2):
        plan.mark(workload.key, plan.experiment.backends[0], 0, Status.OK)
    assert plan.total - plan.remaining == 1
    assert plan.is_done(workload, 0)
    assert not plan.is_done(workload, 1)


def test_nobody_catches_up_before_the_planned_passes_are_over(plan):
    _store(plan, ONE, 0, Status.OK, Status.OK, Status.FAILED)
    assert plan.catching_up() == []
    for backend in ARMS[:2]:
        plan.mark(ONE.key, backend, 1, Status.OK)
    # The third failed, and nobody asked to try it again.
    assert plan.catching_up() == []


def test_arms_known_to_be_missing_cost_nothing(plan):
    before = plan.remaining_s()
    _store(plan, ONE, 0, Status.OK, Status.OK, Status.SKIPPED)
    group = next(g for g in plan.groups(0) if g.workload == TWO)
    assert plan.group_s(group) == pytest.approx(2 * plan.cost(TWO).total_s)
    assert plan.remaining_s() < before


def test_an_arm_that_skips_one_network_and_runs_another_is_not_missing(plan):
    """As PyTorch does with a model file."""
    everything = plan.remaining_s()
    plan.mark(ONE.key, ARMS[2], 0, Status.SKIPPED)
    plan.mark(TWO.key, ARMS[2], 0, Status.OK)
    group = next(g for g in plan.groups(1) if g.workload == TWO)
    assert plan.group_s(group) == pytest.approx(3 * plan.cost(TWO).total_s)
    assert 0 < plan.remaining_s() < everything


def test_arms_that_will_be_skipped_are_expected_to_cost_nothing(plan):
    cells = plan.remaining
    before = plan.remaining_s()
    plan.expect_skipped(ARMS[2])
    assert plan.remaining_s() == pytest.approx(before * 2 / 3)
    # They are still part of the plan: that they were skipped, and why, is stored.
    assert plan.remaining == cells


def test_a_faster_host_is_expected_to_take_less_time():
    large = pattern_workload("standard", depth=50, width=256, resolution=56)
    experiment = Experiment("test", "", (large,), ARMS, 1, Settings())
    slow, fast = (Plan.of(experiment, macs_per_s=speed).cost(large).inference_s for speed in (1e10, 4e10))
    assert slow / 4 < fast < slow / 3
    assert 1e8 < multiply_adds_per_s() < 1e12


def test_the_order_is_random_but_the_same_each_time(plan):
    many = tuple(pattern_workload("standard", depth=d, width=8, resolution=8) for d in range(1, 30))
    experiment = Experiment("t", "", many, ARMS, 1, Settings())
    orders = [[g.workload for g in Plan.of(experiment).groups(p)] for p in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != list(many)
