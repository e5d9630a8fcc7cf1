"""Architectures as rows of numbers: which option each choice has, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.choice import Architecture, option_text
from hwnas.workloads.spaces.space import Space


@lru_cache(maxsize=4)
def codes_of(space: Space) -> Codes:
    """The codes of a space; what takes time is done once for all searches of this process."""
    return Codes(space)


class Codes:
    """The architectures of a space as arrays of the shape ``(n, choices)``, int64.

    Args:
        space: Whose architectures.

    Attributes:
        options: How many each choice has, shape ``(choices,)``.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.options = np.array([len(choice.options) for choice in space.choices])
        self._places = {c.name: {option_text(o): i for i, o in enumerate(c.options)} for c in space.choices}

    @property
    def combinations(self) -> int:
        """Combinations of options, those with equal networks included."""
        return math.prod(self.options.tolist())

    @cached_property
    def everything(self) -> np.ndarray:
        """All architectures of the space, each network once; for small spaces only."""
        grids = np.indices(tuple(self.options)).reshape(len(self.options), -1).T
        return self.canonical(grids)

    def encode(self, architectures: Iterable[Architecture]) -> np.ndarray:
        """Rows of architectures; options must be the space's."""
        rows = [
            [places[option_text(architecture[name])] for name, places in self._places.items()]
            for architecture in architectures
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.options))

    def decode(self, row: Sequence[int] | np.ndarray) -> dict[str, Scalar]:
        """The architecture of one row."""
        return {c.name: c.options[int(i)] for c, i in zip(self.space.choices, row, strict=True)}

    def canonical(self, rows: np.ndarray) -> np.ndarray:
        """The rows that stand for these networks, each once, in the order of their first appearance."""
        if type(self.space).canonical is Space.canonical:
            # Every architecture is a network of its own.
            return distinct(rows)
        return distinct(self.encode(self.space.canonical(self.decode(row)) for row in distinct(rows)))

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """At most `count` different architectures; every option of a choice is equally likely."""
        return self.canonical(rng.integers(0, self.options, size=(count, len(self.options))))

    def mutants(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """At most `count` different neighbours: one choice of a row changed, in a third of them two or more.

        Args:
            rows: Whose neighbours, shape ``(n, choices)``, n at least 1.
            count: How many are drawn.
            rng: Draws them.
        """
        free = np.flatnonzero(self.options > 1)
        if not len(free):
            return rows[:1]
        found = rows[rng.integers(0, len(rows), size=count)].copy()
        changes = np.minimum(rng.geometric(2 / 3, size=count), len(free))
        for row, changed in zip(found, changes, strict=True):
            for place in rng.choice(free, size=changed, replace=False):
                # Another option than the one that is there.
                row[place] = (row[place] + rng.integers(1, self.options[place])) % self.options[place]
        return self.canonical(found)


def distinct(rows: np.ndarray) -> np.ndarray:
    """Every row once, in the order of its first appearance."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def keys(rows: np.ndarray) -> list[bytes]:
    """Something that is the same for equal rows, for sets and dictionaries."""
    compact = np.ascontiguousarray(rows, dtype=np.int16)
    if not compact.size:
        return [b""] * len(rows)
    found: list[bytes] = compact.view(f"V{compact.itemsize * compact.shape[1]}").ravel().tolist()
    return found


def without(rows: np.ndarray, others: Iterable[tuple[int, ...]]) -> np.ndarray:
    """The rows that are not among `others`."""
    known = set(keys(np.array(list(others), dtype=np.int64).reshape(-1, rows.shape[1])))
    return np.asarray(rows[np.array([key not in known for key in keys(rows)], dtype=bool)])
