"""Which networks a sampler looks at: all of a small space, and of a large one those that promise something."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hwnas.searching.codes import Codes, distinct
from hwnas.searching.limit import Limit

#: Spaces with more combinations are not looked at as a whole.
WALKED = 20_000
_RANDOM, _NEAR = 1000, 1000
#: Where fewer of the random ones are within the limits, others are looked for until more are.
_ENOUGH = 300
_ROUNDS = 12
#: Networks that are drawn have no neighbours among them, unless a smaller share of the random ones is within.
_RARE = 0.005
_PARENTS = 100


def chances(rows: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """For each limit how likely it holds, shape ``(limits, n)``; 1 where only a closer look can tell.

    Args:
        rows: Networks, shape ``(n, choices)``.
        limits: Any number.
    """
    found = np.ones((len(limits), len(rows)))
    for row, limit in zip(found, limits, strict=True):
        estimate = limit.cost.screen(rows)
        if estimate is not None:
            row[:] = estimate.chance_within(limit.at_most)
    return found


def candidates(
    codes: Codes, limits: Sequence[Limit], best: Callable[[], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Networks to choose from, shape ``(n, choices)``, each once.

    Args:
        codes: Of the space.
        limits: Where only few networks hold them, those are looked for.
        best: The best networks so far, whose neighbours promise something, shape ``(n, choices)``; none where
            networks are drawn at random. Then all that hold the limits are equally likely to be among them,
            unless hardly any do.
        rng: Draws them.
    """
    if codes.combinations <= WALKED:
        return codes.everything
    pool = codes.sample(_RANDOM, rng)
    parents = best()
    evenly = not len(parents)
    if not evenly:
        pool = distinct(np.vstack([pool, codes.mutants(parents, _NEAR, rng)]))
    for _ in range(_ROUNDS):
        short = _excess(pool, limits)
        within = short <= 0
        if within.sum() >= _ENOUGH:
            break
        evenly = evenly and bool(within.mean() >= _RARE)
        others = [codes.sample(_RANDOM, rng)]
        if not evenly:
            others.append(codes.mutants(_parents(pool, short), _NEAR, rng))
        pool = distinct(np.vstack([pool, *others]))
    return pool


def _parents(pool: np.ndarray, short: np.ndarray) -> np.ndarray:
    """Whose neighbours may be within the limits: those that are or, where these are few, the nearest ones."""
    within = short <= 0
    # Any that are within, not those furthest within: among the fastest there are few that learn much.
    nearest = np.argsort(short, kind="stable")[:_PARENTS]
    return np.asarray(pool[within] if within.sum() >= _PARENTS else pool[nearest])


def _excess(rows: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """Largest logarithm of upper end over limit, shape ``(n,)``; -inf where no limit can be told."""
    worst = np.full(len(rows), -np.inf)
    for limit in limits:
        estimate = limit.cost.screen(rows)
        if estimate is not None:
            worst = np.maximum(worst, np.log(estimate.upper(limit.confidence) / limit.at_most))
    return worst
