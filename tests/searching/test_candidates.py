"""Which networks a sampler looks at in a large space."""

from __future__ import annotations

import numpy as np
from searching_lab import Sum

from hwnas.searching.candidates import WALKED, candidates, chances
from hwnas.searching.codes import codes_of
from hwnas.searching.limit import Limit
from hwnas.workloads.spaces.space_file import load_space

SPACE = load_space("patterns@1x28x28-10")


def test_networks_within_a_limit_that_few_hold_are_like_any_of_those() -> None:
    codes, cost = codes_of(SPACE), Sum(SPACE)
    assert codes.combinations > WALKED
    rng = np.random.default_rng(0)
    drawn = codes.sample(4000, rng)
    found = cost.screen(drawn)
    assert found is not None
    limit = Limit(cost, float(np.quantile(found.median, 0.28)))
    within = np.sort(found.median[found.median <= limit.at_most])
    pool = candidates(codes, [limit], lambda: drawn[:0], rng)
    fitting = pool[chances(pool, [limit])[0] >= limit.confidence]
    # Enough to choose from, not only the smallest, and each once.
    assert len(fitting) > 300
    told = cost.screen(fitting)
    assert told is not None
    smallest = float((told.median < within[len(within) // 4]).mean())
    assert 0.15 < smallest < 0.35
    assert len(np.unique(pool, axis=0)) == len(pool)
