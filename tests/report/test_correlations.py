"""Correlations and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_lab import GPU, NO_GPU, OPENVINO, TORCH, Lab, truth

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.report.cells import Selection
from hwnas.report.correlations import ALL_PATTERNS, FEWEST, correlations, pearson, spearman
from hwnas.workloads.patterns import PatternStack, pattern_workload

X = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_a_power_law_is_a_perfect_correlation_of_logarithms() -> None:
    found = pearson(X, [3.0 * x**1.7 for x in X])
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    assert pearson(X, [1 / x for x in X]).value == pytest.approx(-1.0)


def test_pearsons_interval_is_fishers() -> None:
    y = [1.0, 3.0, 2.0, 9.0, 5.0, 40.0]
    found = pearson(X, y)
    r = float(np.corrcoef(np.log(X), np.log(y))[0, 1])
    reach = 1.959964 / math.sqrt(3)
    assert found.value == pytest.approx(r)
    assert found.low == pytest.approx(math.tanh(math.atanh(r) - reach), abs=1e-5)
    assert found.high == pytest.approx(math.tanh(math.atanh(r) + reach), abs=1e-5)


def test_spearmans_interval_is_bonett_and_wrights() -> None:
    # Ranks of y are 1 3 2 5 4 6: the squared differences add up to 4.
    found = spearman(X, [1.0, 3.0, 2.0, 9.0, 5.0, 40.0])
    rho = 1 - 6 * 4 / (6 * 35)
    reach = 1.959964 * math.sqrt((1 + rho**2 / 2) / 3)
    assert found.value == pytest.approx(rho)
    assert found.low == pytest.approx(math.tanh(math.atanh(rho) - reach), abs=1e-5)
    assert found.high == pytest.approx(math.tanh(math.atanh(rho) + reach), abs=1e-5)


def test_a_perfect_order_of_few_is_not_beyond_doubt() -> None:
    few, many = spearman(X[:5], X[:5]), spearman(list(range(100)), list(range(100)))
    assert few.value == few.high == 1.0
    assert few.low == pytest.approx(0.134, abs=1e-3)
    assert many.low == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("coefficient", [pearson, spearman])
def test_what_cannot_be_correlated_has_a_reason_and_no_number(coefficient) -> None:
    few = coefficient(X[: FEWEST - 1], X[: FEWEST - 1])
    assert (few.value, few.low, few.high, few.n) == (None, None, None, FEWEST - 1)
    assert f"{FEWEST - 1} of at least {FEWEST}" in few.reason
    constant = coefficient(X, [2.0] * len(X))
    assert constant.value is None
    assert "2 everywhere" in constant.reason


def test_zero_has_ranks_and_no_logarithm() -> None:
    y = [0.0, *X[1:]]
    assert pearson(X, y).value is None
    assert pearson(X, y).reason == "zero has no logarithm"
    assert spearman(X, y).value == 1.0


def _studied(lab: Lab) -> Selection:
    cells = {
        pattern_workload(p, depth=d, width=64, batch=b): {}
        for p in ("standard", "grouped")
        for d in (10, 20, 30, 40, 50)
        for b in (1, 8)
    }
    lab.campaign({w: {**truth(w), GPU: NO_GPU} for w in cells}, passes=1)
    for stored in list(lab.store.measurements(backend=TORCH)):
        m = stored.measurement
        with lab.store.writing() as writer:
            misses = PatternStack.of(m.workload).macs / 100
            writer.counters(m.uid, [Counter(LLC_MISSES, misses, "model", "4194304,16,64", 1)])
    return lab.select()


def test_every_pattern_arm_and_batch_has_its_row(lab: Lab) -> None:
    rows = correlations(_studied(lab).cells)
    assert {r.pattern for r in rows} == {"standard", "grouped", ALL_PATTERNS}
    assert {r.backend for r in rows} == {TORCH, OPENVINO}  # an arm without any latency has no row
    assert {r.batch for r in rows} == {1, 8}
    pairs = {(r.pair.x, r.pair.y) for r in rows}
    assert pairs == {("MACs", "latency"), ("MACs", "misses"), ("misses", "latency")}
    assert len(rows) == 3 * 2 * 2 * 3
    own = {(r.pattern, r.backend, r.pair.x, r.pair.y): r for r in rows if r.batch == 1}
    assert own["standard", TORCH, "MACs", "misses"].pearson.value == pytest.approx(1.0)
    assert own["standard", TORCH, "MACs", "latency"].pearson.n == 5
    assert own[ALL_PATTERNS, TORCH, "MACs", "latency"].pearson.n == 10
    # Nobody counted misses of the accelerated arm.
    uncounted = own["standard", OPENVINO, "misses", "latency"]
    assert uncounted.pearson.value is uncounted.spearman.value is None
    assert uncounted.record()["reason"] == "0 of at least 5 points"


def test_a_study_of_three_depths_says_why_there_is_no_correlation(study: Selection) -> None:
    rows = correlations(study.cells)
    assert {r.pearson.reason for r in rows if r.pattern == "standard"} <= {
        "3 of at least 5 points",
        "2 of at least 5 points",
    }
    assert all(r.pearson.value for r in rows if r.pattern == ALL_PATTERNS)
