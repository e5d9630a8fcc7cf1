"""The benchmark of intervals counts those that hold, and says how wide they are beside those of one width."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from made_up_kernels import training_set

from hwnas.core.environment import Environment
from hwnas.predicting.fitting import fit_predictor

HERE = Environment("A processor", "x86_64", 2, 2**34)


@pytest.fixture
def intervals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("predict_intervals")


def test_one_width_is_that_of_the_errors_on_other_families(intervals: ModuleType) -> None:
    """Ten networks are predicted 0.1 too slow and ten of another family 0.3 too fast, in logarithms."""
    predicted_s, measured_s = np.exp(np.repeat([0.1, -0.3], 10)), np.ones(20)
    low_s, high_s = intervals.of_one_width(predicted_s, measured_s, np.repeat([0, 1], 10))
    widths = np.repeat([0.3, 0.1], 10)
    np.testing.assert_allclose(np.log(high_s / predicted_s), widths)
    np.testing.assert_allclose(np.log(predicted_s / low_s), widths)
    assert intervals.told(measured_s, low_s, high_s)["share"] == 0.5


def test_a_prediction_of_nothing_has_an_interval_too(intervals: ModuleType) -> None:
    low_s, high_s = intervals.of_one_width(np.array([0.0, 1.0]), np.ones(2), np.array([0, 0]))
    assert np.isfinite(np.r_[low_s, high_s]).all()
    assert (low_s > 0).all()


def test_what_holds_is_counted_and_the_median_half_width_told(intervals: ModuleType) -> None:
    low_s, high_s = np.array([0.5, 0.9, 1.1, 0.5]), np.array([2.0, 1.6, 1.5, 2.0])
    found = intervals.told(np.ones(4), low_s, high_s)
    assert (found["networks"], found["share"]) == (4, 0.75)
    # Factors of 2, 1.33, 1.17 and 2 to either side.
    assert found["half_width_percent"] == pytest.approx(66.7)
    low, high = found["share_interval"]
    assert low < 0.75 < high


def test_ours_stand_beside_simpler_predictors_on_the_same_networks(intervals: ModuleType) -> None:
    training = training_set(3, 4)
    left_out = fit_predictor(training, HERE, trees=2).left_out
    keys = {n.workload.key for n in training.networks[1:]}
    found = intervals.judged(training.networks, left_out, keys)
    assert list(found) == [
        *("ours", "ours, one width for all"),
        *("MACs alone", "operator counts", "nn-Meter's features"),
    ]
    assert {one["all"]["networks"] for one in found.values()} == {11}
    assert set(found["ours"]) == {"all", "networks", "torchvision"}
    assert found["ours"]["all"]["share"] == pytest.approx(np.mean([o.covered for o in left_out[1:]]))


@pytest.mark.parametrize(("share", "met"), [(0.8499, False), (0.85, True), (0.95, True), (0.9501, False)])
def test_a_share_meets_the_bar_as_it_is(intervals: ModuleType, share: float, met: bool) -> None:
    assert intervals.meets_bar({"ours": {"all": {"share": share}}}) is met
    assert intervals.meets_bar({"ours": {}}) is False
