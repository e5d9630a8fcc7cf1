"""Intervals hold what they say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwnas.training.intervals import mean_interval, wilson


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_is_the_inverse_of_the_score_test(count: int, value: float) -> None:
    for bound in wilson(value, count):
        if 1e-9 < bound < 1 - 1e-9:
            score = (value - bound) / math.sqrt(bound * (1 - bound) / count)
            assert abs(score) == pytest.approx(1.959964, rel=1e-3, abs=1e-3)


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_agrees_with_scipy(right: int, count: int) -> None:
    right = min(right, count)
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.lists(st.floats(0.4, 0.6), min_size=2, max_size=8))
def test_means_agree_with_scipy(values: list[float]) -> None:
    mean, error = sum(values) / len(values), stats.sem(values)
    if error > 1e-6:
        expected = stats.t.interval(0.95, len(values) - 1, mean, error)
        clipped = (max(0, expected[0]), min(1, expected[1]))
        assert mean_interval(values) == pytest.approx(clipped, abs=1e-9)


def test_a_share_needs_no_interval_beyond_its_range() -> None:
    assert mean_interval([0.9, 1.0])[1] == 1
    assert wilson(1.0, 50)[1] == 1
    assert wilson(0.0, 50)[0] == 0
