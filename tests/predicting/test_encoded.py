"""Latencies of architectures from their choices alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from hwnas.core.errors import UsageError
from hwnas.predicting.encoded import ChoiceEncoding, EncodedPredictor, most_telling

ENCODING = ChoiceEncoding((3,) * 6)
RNG = np.random.default_rng(0)
ALL = np.array(np.meshgrid(*[range(3)] * 6)).reshape(6, -1).T
COST = np.array([0.1, 1.0, 4.0])
TRUE = COST[ALL].sum(axis=1) + 0.3 * COST[ALL[:, 0]]


def test_few_samples_tell_of_all_architectures_where_options_cost_the_same_everywhere() -> None:
    chosen = most_telling(ENCODING, ALL, 12)
    assert len(set(chosen.tolist())) == 12
    predicted, spread = EncodedPredictor(ENCODING).fit(ALL[chosen], TRUE[chosen]).predict(ALL)
    assert spearmanr(predicted, TRUE)[0] > 0.97
    assert (spread > 0).all()


def test_its_spread_is_that_of_its_errors() -> None:
    noisy = TRUE * np.exp(np.random.default_rng(1).normal(0, 0.05, len(TRUE)))
    train = np.random.default_rng(2).permutation(len(ALL))[:200]
    rest = np.setdiff1d(np.arange(len(ALL)), train)
    predicted, spread = EncodedPredictor(ENCODING).fit(ALL[train], noisy[train]).predict(ALL[rest])
    assert 0.7 < np.std((noisy[rest] - predicted) / spread) < 1.4


def test_another_hosts_latencies_help() -> None:
    """A sum of places that nobody could guess from eight samples."""
    weights = np.random.default_rng(3).uniform(0, 5, (6, 3))
    there = weights[np.arange(6), ALL].sum(axis=1) + 1.0
    here = 2.0 * there + 0.1 * TRUE
    train = most_telling(ENCODING, ALL, 8)
    alone = EncodedPredictor(ENCODING).fit(ALL[train], here[train]).predict(ALL)[0]
    helped = EncodedPredictor(ENCODING).fit(ALL[train], here[train], there[train]).predict(ALL, there)[0]
    assert spearmanr(helped, here)[0] > 0.99 > spearmanr(alone, here)[0]


@pytest.mark.parametrize("latencies", [[1.0], [1.0, np.nan], [1.0, 0.0], [1.0, -2.0]])
def test_what_is_no_latency_is_refused(latencies: list[float]) -> None:
    with pytest.raises(UsageError, match="positive"):
        EncodedPredictor(ENCODING).fit(ALL[: len(latencies)], np.array(latencies))


def test_what_is_no_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match="choices"):
        ENCODING.places(np.zeros((1, 5), dtype=int))
    with pytest.raises(UsageError, match="out of range"):
        ENCODING.places(np.full((1, 6), 3))
    fitted = EncodedPredictor(ENCODING).fit(ALL[:10], TRUE[:10])
    with pytest.raises(UsageError, match="mean"):
        fitted.predict(ALL, TRUE)


def test_as_many_are_chosen_as_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.predicting.encoded._POOL", 20)
    assert len(set(most_telling(ENCODING, ALL, 30).tolist())) == 30
    assert len(most_telling(ENCODING, ALL[:10], 30)) == 10


def test_latencies_that_are_not_one_for_each_architecture_are_refused() -> None:
    with pytest.raises(UsageError, match="10 latencies are given for 9 architectures"):
        EncodedPredictor(ENCODING).fit(ALL[:9], TRUE[:10])
    # One architecture of six choices is no six of them.
    with pytest.raises(UsageError, match="6 latencies are given for 1 architectures"):
        EncodedPredictor(ENCODING).fit(ALL[0], TRUE[:6])
    with pytest.raises(UsageError, match="for 10 architectures"):
        EncodedPredictor(ENCODING).fit(ALL[:10], TRUE[:10], TRUE[:9])
