"""Where a sum of tables is smallest: exact, without walking through every combination."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from hwnas.core.errors import UsageError

#: Tables on the way may have so many entries: 80 MB.
_MOST_ENTRIES = 10**7

#: A table with the choices that its dimensions run over.
Term = tuple[tuple[int, ...], Tensor]


def smallest_sum(sizes: Sequence[int], terms: Iterable[Term]) -> list[int]:
    """The option of each choice with which the sum of all terms is smallest.

    One choice after the other is eliminated: the terms that know it become one, in which it has the best option
    for every combination of the others. That is exact for every structure. It is cheap for chains, where a term
    joins a choice to its neighbour, and impossible where many choices hang on each other.

    Source: U. Bertele, F. Brioschi, Nonserial Dynamic Programming, Academic Press 1972.

    Args:
        sizes: How many options each choice has.
        terms: What is summed; the dimensions of a table run over the options of its choices.

    Raises:
        UsageError: A table on the way would have more than ten million entries.
    """
    waiting = list(terms)
    undecided = set(range(len(sizes)))
    decisions = []
    while undecided:
        # In any order the result is the same; this one keeps tables small.
        _, choice = min((_entries(sizes, _others(c, waiting)), c) for c in undecided)
        others = _others(choice, waiting)
        if _entries(sizes, (*others, choice)) > _MOST_ENTRIES:
            raise UsageError(
                f"{len(others) + 1} choices hang on each other too closely to find the exact extreme",
                "Look up many architectures instead",
            )
        joined = torch.zeros([sizes[c] for c in (*others, choice)], dtype=torch.float64)
        for choices, table in waiting:
            if choice in choices:
                joined = joined + _spread(table, choices, (*others, choice))
        best, option = joined.min(dim=-1)
        decisions.append((choice, others, option))
        waiting = [*(term for term in waiting if choice not in term[0]), (others, best)]
        undecided.remove(choice)
    found = [0] * len(sizes)
    for choice, others, option in reversed(decisions):
        found[choice] = int(option[tuple(found[c] for c in others)])
    return found


def _others(choice: int, terms: Iterable[Term]) -> tuple[int, ...]:
    """The choices that share a term with `choice`."""
    return tuple(sorted({c for choices, _ in terms if choice in choices for c in choices} - {choice}))


def _entries(sizes: Sequence[int], choices: Iterable[int]) -> int:
    return math.prod(sizes[c] for c in choices)


def _spread(table: Tensor, choices: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """The table with a dimension for each of `axes`, of size 1 where it does not know the choice."""
    order = sorted(range(len(choices)), key=lambda dimension: axes.index(choices[dimension]))
    turned = table.permute(order)
    sizes = iter(turned.shape)
    return turned.reshape([next(sizes) if axis in choices else 1 for axis in axes])
