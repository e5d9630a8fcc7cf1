"""Which networks a sampler looks at in a large space."""

from __future__ import annotations

import numpy as np
import pytest
from searching_lab import Sum

from hwnas.searching.candidates import WALKED, candidates, chances
from hwnas.searching.codes import codes_of
from hwnas.searching.limit import Limit
from hwnas.searching.suggester import Seen, Suggester
from hwnas.workloads.spaces.space_file import load_space

SPACE = load_space("patterns@1x28x28-10")


def random_ones(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Networks and their costs."""
    drawn = codes_of(SPACE).sample(count, np.random.default_rng(0))
    found = Sum(SPACE).screen(drawn)
    assert found is not None
    return drawn, found.median


@pytest.mark.parametrize("share", [0.28, 0.05])
def test_networks_within_a_limit_that_few_hold_are_like_any_of_those(share: float) -> None:
    codes, cost = codes_of(SPACE), Sum(SPACE)
    assert codes.combinations > WALKED
    drawn, costs = random_ones(8000)
    limit = Limit(cost, float(np.quantile(costs, share)))
    within = np.sort(costs[costs <= limit.at_most])
    pool = candidates(codes, [limit], lambda: drawn[:0], np.random.default_rng(1))
    fitting = pool[chances(pool, [limit])[0] >= limit.confidence]
    # Enough to choose from, not only the smallest, and each once.
    assert len(fitting) >= 300
    told = cost.screen(fitting)
    assert told is not None
    smallest = float((told.median < within[len(within) // 4]).mean())
    assert 0.15 < smallest < 0.35
    assert len(np.unique(pool, axis=0)) == len(pool)


def test_the_first_networks_are_no_neighbours_of_what_was_tried() -> None:
    """Else a search begins with ten networks that are all alike, and learns of nothing else."""
    drawn, costs = random_ones(2000)
    limit = Limit(Sum(SPACE), float(np.quantile(costs, 0.2)))
    tried = drawn[costs <= limit.at_most][:1]
    near = 0
    for seed in range(16):
        suggester = Suggester(SPACE, limits=[limit], seed=seed, entrants=1)
        row = suggester.propose(Seen(tried, np.array([0.8]), asked=1))
        near += int((row != tried[0]).sum() <= 2)
    # Of all networks within the limit, not one in a thousand differs from it in two choices at most.
    assert near <= 1


def test_a_limit_that_no_random_network_holds_is_reached_by_neighbours() -> None:
    drawn, costs = random_ones(8000)
    limit = Limit(Sum(SPACE), 0.9 * float(costs.min()))
    pool = candidates(codes_of(SPACE), [limit], lambda: drawn[:0], np.random.default_rng(1))
    assert (chances(pool, [limit])[0] >= limit.confidence).sum() >= 10
