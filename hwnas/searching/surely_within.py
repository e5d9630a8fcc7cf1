"""Whether estimates alone tell of a network within the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwnas.core.errors import CellError
from hwnas.searching.candidates import candidates, chances
from hwnas.searching.codes import Codes
from hwnas.searching.limit import Limit, Verdict
from hwnas.workloads.spaces.choice import Architecture


def some_is_surely_within(codes: Codes, limits: Sequence[Limit], seed: int) -> bool:
    """Whether a network would be let through by all limits as it is, without being measured for it.

    One is looked at closely: the likeliest of those that a sampler looks at. Where that one is not sure, others
    may be, and where nobody is, a measurement may tell.

    Args:
        codes: Of the space.
        limits: That must hold.
        seed: Of what is drawn in large spaces.

    Raises:
        CellError: The space cannot be screened: a cost that is learned has nothing to learn from.
    """
    nothing = np.zeros((0, len(codes.options)), dtype=np.int64)
    pool = candidates(codes, limits, lambda: nothing, np.random.default_rng(seed))
    likeliest = codes.decode(pool[int(np.argmax(chances(pool, limits).prod(axis=0)))])
    try:
        return all(_lets_through(limit, likeliest) for limit in limits)
    except CellError:
        return False  # nobody can tell of that one


def _lets_through(limit: Limit, architecture: Architecture) -> bool:
    estimate = limit.cost.estimate(architecture)
    if limit.verdict(estimate) is not Verdict.WITHIN:
        return False
    return limit.cost.is_measured(architecture) or not limit.wants_measuring(estimate)
