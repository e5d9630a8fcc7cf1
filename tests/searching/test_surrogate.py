"""The surrogate: its gradient, what it learns, and what it leaves open."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from hwnas.searching.surrogate import Surrogate, _squared, ranked


@pytest.fixture
def groups():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(40, 3)), rng.normal(size=(40, 2))]


def test_its_gradient_is_right(groups):
    rng = np.random.default_rng(1)
    surrogate = Surrogate(2)
    surrogate._targets = rng.normal(size=40)
    distances = [_squared(g, g) for g in groups]
    logs = np.array([0.3, -0.2, -1.0, 0.4, -1.5])
    _, gradient = surrogate._loss(logs, distances)
    for place in range(len(logs)):
        step = np.zeros(len(logs))
        step[place] = 1e-5
        up, down = (surrogate._loss(logs + s, distances)[0] for s in (step, -step))
        assert gradient[place] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


def test_it_learns_which_group_matters(groups):
    def truth(of):
        return np.sin(of[0][:, 0]) + 0.5 * of[0][:, 1]

    surrogate = Surrogate(2).fit(groups, ranked(truth(groups)))
    rng = np.random.default_rng(2)
    new = [rng.normal(size=(200, 3)), rng.normal(size=(200, 2))]
    mean, deviation = surrogate.predict(new)
    assert spearmanr(mean, truth(new))[0] > 0.9
    assert mean.shape == deviation.shape == (200,)


def test_what_no_feature_explains_stays_open(groups):
    rng = np.random.default_rng(3)
    surrogate = Surrogate(2).fit(groups, ranked(rng.normal(size=40)))
    _, deviation = surrogate.predict(groups)
    # Networks of equal features may still differ.
    assert (deviation > 0.3).all()


def test_what_was_learned_before_changes_nothing(groups):
    """A search that goes on in another process has learned nothing before."""
    rng = np.random.default_rng(4)
    truth = np.sin(groups[0][:, 0])
    used = Surrogate(2).fit([group[:20] for group in groups], ranked(rng.normal(size=20)))
    used.fit(groups, ranked(truth))
    new = [rng.normal(size=(30, 3)), rng.normal(size=(30, 2))]
    alone = Surrogate(2).fit(groups, ranked(truth))
    for one, other in zip(used.predict(new), alone.predict(new), strict=True):
        assert one.tolist() == other.tolist()


def test_ranks_do_not_know_scales():
    values = np.array([0.1, 0.9, 0.91, 0.92, 0.92])
    np.testing.assert_allclose(ranked(values), ranked(np.exp(50 * values)))
    scores = ranked(values)
    assert scores[3] == scores[4]
    assert (np.diff(scores[:4]) > 0).all()
