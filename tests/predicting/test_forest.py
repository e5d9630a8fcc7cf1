"""A forest as arrays predicts what scikit-learn's does, and survives the disk."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from hwnas.predicting.forest import Forest


@pytest.fixture
def points() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 5)) * 10.0
    return x, x[:, 0] ** 2 + 3 * x[:, 1] + rng.normal(size=200)


def test_it_predicts_as_the_library_that_trained_it(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    forest = Forest.fit(x, y, trees=20, leaf=2, columns=0.5, seed=7)
    theirs = ExtraTreesRegressor(n_estimators=20, min_samples_leaf=2, max_features=0.5, random_state=7).fit(
        x, y
    )
    asked = np.random.default_rng(4).normal(size=(50, 5)) * 12.0
    mean, spread = forest.predict(asked)
    np.testing.assert_allclose(mean, theirs.predict(asked), rtol=1e-5)
    single = np.array([tree.predict(asked) for tree in theirs.estimators_])
    np.testing.assert_allclose(spread, single.std(axis=0), rtol=1e-3, atol=1e-4)


def test_its_arrays_rebuild_it(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    forest = Forest.fit(x, y, trees=5)
    again = Forest.of_arrays(forest.arrays())
    np.testing.assert_array_equal(again.predict(x)[0], forest.predict(x)[0])


@pytest.mark.parametrize("field", ["left", "right", "roots"])
def test_a_walk_that_would_never_end_is_refused(points: tuple[np.ndarray, np.ndarray], field: str) -> None:
    x, y = points
    arrays = Forest.fit(x, y, trees=3).arrays()
    arrays[field] = np.zeros_like(arrays[field]) if field != "roots" else arrays[field] + 10**6
    with pytest.raises(ValueError, match="no place"):
        Forest.of_arrays(arrays)


def test_one_point_is_a_forest_of_leaves() -> None:
    forest = Forest.fit(np.zeros((1, 2)), np.array([4.0]), trees=3)
    mean, spread = forest.predict(np.ones((2, 2)))
    assert mean.tolist() == [4.0, 4.0]
    assert spread.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("field", ["left", "right"])
def test_a_leaf_that_leads_back_is_refused(points: tuple[np.ndarray, np.ndarray], field: str) -> None:
    x, y = points
    arrays = Forest.fit(x, y, trees=2).arrays()
    arrays[field][arrays["feature"] < 0] = -1
    with pytest.raises(ValueError, match="no place"):
        Forest.of_arrays(arrays)


def test_a_feature_below_that_of_a_leaf_is_refused(points: tuple[np.ndarray, np.ndarray]) -> None:
    arrays = Forest.fit(*points, trees=2).arrays()
    arrays["feature"][:] = -2
    with pytest.raises(ValueError, match="no place"):
        Forest.of_arrays(arrays)
