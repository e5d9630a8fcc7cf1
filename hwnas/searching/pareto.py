"""Which of several results no other one beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def front(accuracies: Sequence[float], costs: Sequence[Sequence[float]]) -> list[int]:
    """Places of the results that are not dominated, the cheapest first.

    One dominates another if it is no worse in anything and better in something. Of equal ones the first stands
    for all.

    Args:
        accuracies: Of ``n`` results; more is better.
        costs: Of the same, each of equally many costs; less is better.
    """
    if not len(accuracies):
        return []
    losses = np.column_stack(
        [np.asarray(costs, dtype=float).reshape(len(accuracies), -1), -np.asarray(accuracies)]
    )
    order = np.lexsort((np.arange(len(losses)), *losses.T[::-1]))
    found: list[int] = []
    # In this order a result is never dominated by a later one.
    for place in order:
        if not any((losses[kept] <= losses[place]).all() for kept in found):
            found.append(int(place))
    return found
