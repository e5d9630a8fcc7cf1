"""What parts of a space's networks cost, for thousands of networks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hwnas.workloads.spaces.space import Part, PartModule, Space


class PartTables:
    """A table for each part of a space, over the combinations of its choices.

    Args:
        space: Whose parts.
        costs: Of a part, which is on PyTorch's meta device; asked once for each distinct one.
        width: How many costs those are.
    """

    def __init__(self, space: Space, costs: Callable[[PartModule], Sequence[float]], width: int = 1) -> None:
        self._places = {choice.name: place for place, choice in enumerate(space.choices)}
        self._known: dict[str, tuple[float, ...]] = {}
        self._costs, self._width = costs, width
        self._tables = [(part, self._table(space, part)) for part in space.parts()]

    def sums(self, codes: np.ndarray) -> np.ndarray:
        """Over the parts of each network, shape ``(n, width)``.

        Args:
            codes: Rows of :class:`hwnas.searching.codes.Codes`, shape ``(n, choices)``.
        """
        total = np.zeros((len(codes), self._width))
        for values in self._values(codes):
            total += values
        return total

    def largest(self, codes: np.ndarray) -> np.ndarray:
        """Of all parts of each network, shape ``(n, width)``.

        Args:
            codes: Rows of :class:`hwnas.searching.codes.Codes`, shape ``(n, choices)``.
        """
        most = np.zeros((len(codes), self._width))
        for values in self._values(codes):
            most = np.maximum(most, values)
        return most

    def _values(self, codes: np.ndarray) -> Iterator[np.ndarray]:
        for part, table in self._tables:
            yield table[tuple(codes[:, self._places[name]] for name in part.choices)]

    def _table(self, space: Space, part: Part) -> np.ndarray:
        import torch

        values = []
        with torch.device("meta"):
            for options in space.combinations(part):
                values.append(self._of_module(space.part_module(part, options)))
        shape = [len(space.choice(name).options) for name in part.choices]
        return np.array(values).reshape([*shape, self._width])

    def _of_module(self, module: PartModule | None) -> tuple[float, ...]:
        from hwnas.workloads.structure import structure_digest

        if module is None:
            return (0.0,) * self._width
        key = f"{structure_digest(module.module)} {module.input_shapes}"
        if key not in self._known:
            self._known[key] = tuple(self._costs(module))
        return self._known[key]
