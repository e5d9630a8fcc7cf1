"""Costs of whole networks as sums over their parts, for thousands of networks at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwnas.workloads.spaces.space import Part, PartModule, Space


class PartSums:
    """A table for each part of a space, over the combinations of its choices.

    Args:
        space: Whose parts.
        cost: Of a part, which is on PyTorch's meta device; asked once for each distinct one.
    """

    def __init__(self, space: Space, cost: Callable[[PartModule], float]) -> None:
        self._places = {choice.name: place for place, choice in enumerate(space.choices)}
        self._known: dict[str, float] = {}
        self._cost = cost
        self._tables = [(part, self._table(space, part)) for part in space.parts()]

    def of(self, codes: np.ndarray) -> np.ndarray:
        """Shape ``(n,)``.

        Args:
            codes: Rows of :class:`hwnas.searching.codes.Codes`, shape ``(n, choices)``.
        """
        total = np.zeros(len(codes))
        for part, table in self._tables:
            total += table[tuple(codes[:, self._places[name]] for name in part.choices)]
        return total

    def _table(self, space: Space, part: Part) -> np.ndarray:
        import torch

        values = []
        with torch.device("meta"):
            for options in space.combinations(part):
                values.append(self._of_module(space.part_module(part, options)))
        return np.array(values).reshape([len(space.choice(name).options) for name in part.choices])

    def _of_module(self, module: PartModule | None) -> float:
        if module is None:
            return 0.0
        # A module's text says its layers with all that shapes them.
        key = f"{module.module!r} {module.input_shapes}"
        if key not in self._known:
            self._known[key] = self._cost(module)
        return self._known[key]
