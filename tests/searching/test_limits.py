"""Estimates, and what limits make of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from searching_lab import CELLS, Measurable, Sum

from hwnas.core.errors import UsageError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.searching.limit import Limit, Verdict, judge

SLOWEST = {choice.name: "nor_conv_3x3" for choice in CELLS.choices}
FASTEST = {choice.name: "none" for choice in CELLS.choices}


@given(st.floats(1e-6, 1e3), st.floats(0, 2), st.floats(0.5, 0.99), st.floats(1e-6, 1e3))
def test_a_chance_says_the_same_as_an_interval(median, spread, confidence, limit):
    estimate = Estimate(np.array([median]), np.array([spread]))
    upper = estimate.upper(confidence)[0]
    if abs(upper / limit - 1) > 1e-6:
        assert (estimate.chance_within(limit)[0] >= confidence) == (upper <= limit)
    assert estimate.lower(confidence)[0] <= median * (1 + 1e-12) <= upper * (1 + 1e-9)


def test_an_interval_gives_its_ends_back():
    estimate = Estimate.of_interval(2.0, 1.6, 2.5, 0.9)
    assert estimate.upper(0.95)[0] == pytest.approx(2.5)
    assert estimate.lower(0.95)[0] == pytest.approx(1.6)


def test_what_is_known_exactly_may_reach_the_limit():
    assert Estimate.exact(np.array([1.0, 1.1])).chance_within(1.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("limit_ms", "verdict"), [(20, Verdict.WITHIN), (13.5, Verdict.UNCLEAR), (9, Verdict.BEYOND)]
)
def test_verdicts(limit_ms, verdict):
    limit = Limit(Sum(CELLS, spread=0.1), limit_ms / 1e3)
    estimate = Estimate(np.array([13e-3]), np.array([0.1]))
    assert limit.verdict(estimate) is verdict
    assert (limit.violation(estimate) <= 0) == (verdict is Verdict.WITHIN)


def test_all_limits_must_hold():
    cost, other = Sum(CELLS), Sum(CELLS, name="other")
    judgement = judge(SLOWEST, [], [Limit(cost, 1.0), Limit(other, 1e-3)])
    assert not judgement.feasible
    assert judgement.violations["latency"] < 0 < judgement.violations["other"]
    assert judge(FASTEST, [], [Limit(cost, 1.0), Limit(other, 1e-3)]).feasible


def test_what_is_unclear_is_measured():
    cost = Measurable(CELLS, 1)
    limit = Limit(cost, float(cost.estimate(SLOWEST).median[0]) * 1.05)
    judgement = judge(SLOWEST, [], [limit])
    assert judgement.feasible
    assert judgement.measured == ("latency",)
    # Nothing is left to measure another one.
    assert not judge({**SLOWEST, "node1.from0": "skip_connect"}, [], [limit]).feasible


@pytest.mark.parametrize(
    ("chance", "measured_below", "wanted"),
    [
        (0.05, 0.99, False),
        (0.85, None, True),
        (0.85, 0.99, True),
        (0.95, None, False),
        (0.95, 0.99, True),
        (0.985, 0.99, True),
        (0.995, 0.99, False),
    ],
)
def test_what_does_not_hold_surely_enough_wants_measuring(chance, measured_below, wanted):
    limit = Limit(Sum(CELLS), 10e-3, measured_below=measured_below)
    estimate = Estimate(np.array([10e-3 * np.exp(-0.1 * norm.ppf(chance))]), np.array([0.1]))
    assert estimate.chance_within(10e-3)[0] == pytest.approx(chance)
    assert limit.wants_measuring(estimate) == wanted


def test_what_is_within_but_not_surely_enough_is_measured_while_it_can_be():
    median_s = float(Sum(CELLS).estimate(SLOWEST).median[0])

    def judged(cost, deviations):
        """By a limit so many standard deviations above the estimate."""
        at_most = median_s * float(np.exp(0.2 * deviations))
        return judge(SLOWEST, [], [Limit(cost, at_most, measured_below=0.99)])

    # Within at 90 %, with a chance of 95 %,
    open_, spent, sure = (Measurable(CELLS, left) for left in (1, 0, 1))
    assert judged(open_, 1.65).measured == ("latency",)
    assert open_.known == [SLOWEST]
    # which is enough where nothing can be measured any more;
    assert judged(spent, 1.65).feasible
    assert not judged(spent, 1.65).measured
    # and with a chance of 99.4 %.
    assert judged(sure, 2.5).feasible
    assert not sure.known


def test_a_measurement_rules_out_what_an_estimate_has_let_through():
    class Slower(Measurable):
        def estimate(self, architecture):
            found = super().estimate(architecture)
            return Estimate.exact(1.5 * found.median) if architecture in self.known else found

    at_most = float(Sum(CELLS).estimate(SLOWEST).median[0]) * float(np.exp(0.2 * 1.65))
    # 1.5 against 1.39 of the estimate.
    assert judge(SLOWEST, [], [Limit(Slower(CELLS, 1), at_most)]).feasible
    assert not judge(SLOWEST, [], [Limit(Slower(CELLS, 1), at_most, measured_below=0.99)]).feasible


def test_what_was_measured_and_stays_unclear_is_not_measured_again():
    class Noisy(Measurable):
        def estimate(self, architecture):
            found = Sum.estimate(self, architecture)
            return Estimate(found.median, np.array([0.02])) if architecture in self.known else found

    cost = Noisy(CELLS, 5)
    limit = Limit(cost, float(cost.estimate(SLOWEST).median[0]) * 1.01)
    for _ in range(2):
        judgement = judge(SLOWEST, [], [limit])
        assert not judgement.feasible
        assert limit.verdict(judgement.estimates["latency"]) is Verdict.UNCLEAR
    assert cost.known == [SLOWEST]


def test_nothing_is_measured_for_a_network_that_is_beyond_another_limit():
    cost = Measurable(CELLS, 5)
    unclear = Limit(cost, float(cost.estimate(SLOWEST).median[0]) * 1.05)
    assert not judge(SLOWEST, [], [unclear, Limit(Sum(CELLS, name="other"), 1e-3)]).feasible
    assert not cost.known


@pytest.mark.parametrize(("at_most", "confidence"), [(0, 0.9), (float("nan"), 0.9), (1, 0.4), (1, 1.0)])
def test_limits_out_of_range_are_refused(at_most, confidence):
    with pytest.raises(UsageError, match="latency"):
        Limit(Sum(CELLS), at_most, confidence)


@pytest.mark.parametrize("measured_below", [-0.1, 0.0, 0.89, 1.01, float("nan")])
def test_a_chance_below_the_confidence_or_above_1_is_refused(measured_below):
    with pytest.raises(UsageError, match=r"measured_below of the limit of latency.*from its confidence, 0\.9"):
        Limit(Sum(CELLS), 1e-3, measured_below=measured_below)
    for allowed in (0.9, 1.0):
        assert Limit(Sum(CELLS), 1e-3, measured_below=allowed).measured_below == allowed


def test_costs_that_cannot_be_measured_say_so():
    cost: CostModel = Sum(CELLS)
    assert cost.measurements_left == 0
    assert cost.measured == {}
