"""A front is one of measured costs: predictions that are too low do not stay on it unseen."""

import numpy as np
import pytest
from searching_lab import Known, Sum, small_space

from hwnas.core.errors import CellError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.searching.front_measuring import FrontMeasuring
from hwnas.searching.run import run_search
from hwnas.searching.trial import Cost, Trial, TrialState, front_of


class Guessed(CostModel):
    """Wrong by up to a factor of two, until it is measured."""

    unit = "s"

    def __init__(self, space, *, budget=100, broken=False):
        self.name, self.truth = "latency", Sum(space)
        self.budget, self.broken = budget, broken
        self.known, self.batches = {}, []

    def factors(self, codes):
        return [0.5 + 1.5 * np.random.default_rng(row.tolist()).random() for row in codes]

    def estimate(self, architecture):
        row = self.truth.codes.encode([architecture])
        value = self.truth.values(row)
        if self.is_measured(architecture):
            return Estimate.exact(value)
        return Estimate(value * self.factors(row), np.array([0.3]))

    @property
    def measurements_left(self):
        return self.budget - len(self.known)

    @property
    def measured(self):
        return self.known

    def is_measured(self, architecture):
        return self._text(architecture) in self.known

    def remember(self, measured):
        self.known.update(measured)

    def measure(self, architectures):
        self.batches.append(len(architectures))
        if self.broken:
            raise CellError("nothing can be measured")
        for architecture in architectures:
            self.known[self._text(architecture)] = float(self.truth.estimate(architecture).median[0])

    def _text(self, architecture):
        return self.truth.codes.space.compact(architecture)


@pytest.fixture
def space(tmp_path):
    return small_space(tmp_path)


def test_the_front_is_measured_and_true(space):
    cost = Guessed(space)
    result = run_search(space, Known(space), traded=[cost], trials=16, seed=3)
    assert len(result.front) > 2
    assert result.measured == {"latency": cost.known}
    assert {trial.text for trial in result.front} <= set(cost.known)
    # Together where several wait, and not all that were tried.
    assert max(cost.batches) > 1
    assert len(cost.known) < 16
    true = [cost.known[trial.text] for trial in result.front]
    assert true == sorted(true)
    # What was told before stays told: it is what the prediction is judged by.
    told = [trial.costs["latency"].median for trial in result.front]
    assert told != pytest.approx(true)


def test_no_more_is_measured_than_may_be(space):
    cost = Guessed(space, budget=2)
    result = run_search(space, Known(space), traded=[cost], trials=10, seed=3)
    assert result.evaluations == 10
    assert len(cost.known) == sum(cost.batches) == 2


def test_what_cannot_be_measured_stays_predicted(space):
    cost = Guessed(space, broken=True)
    result = run_search(space, Known(space), traded=[cost], trials=8, seed=3)
    assert result.evaluations == 8
    # Nothing is asked for twice.
    assert 0 < sum(cost.batches) <= 8


def test_a_limited_cost_is_measured_for_its_limit_alone(space):
    cost = Guessed(space)
    FrontMeasuring(()).finish([])
    run_search(space, Known(space), watched=[cost], trials=5)
    assert not cost.batches


def test_a_network_leaves_the_front_when_it_is_found_to_be_slow():
    def trial(number, accuracy, median):
        cost = Cost(median, median, median)
        return Trial(number, {}, f"network{number}", TrialState.COMPLETE, accuracy, {"latency": cost})

    trials = [trial(0, 0.8, 1.0), trial(1, 0.9, 2.0)]
    assert front_of(trials, ["latency"], {}) == trials
    assert front_of(trials, ["latency"], {"latency": {"network0": 2.5}}) == trials[1:]
