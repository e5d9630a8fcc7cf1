"""Numbers that describe the cells of an architecture, whatever space they are of.

Operators count by the word that the space has for them; what an operator does is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hwnas.workloads.spaces.cell_graph import CellGraph, Edge

#: The operators on the way from an input to an output, in order, those that pass on what they read left out.
Path = tuple[str, ...]

#: Paths that are told apart: those that most cells of the reference have.
_MOST_PATHS = 256
#: A path that so few of the reference have is not worth a column.
_RAREST = 0.002
#: Equal paths beyond these change little.
_MOST_EQUAL = 3


def path_of(way: Sequence[Edge]) -> Path:
    """The operators of a way through a cell."""
    return tuple(edge.operator for edge in way if edge.operator)


class CellFeatures:
    """Features of one kind of cell.

    Source of paths as features: C. White, W. Neiswanger, Y. Savani, BANANAS, AAAI 2021, arXiv:1910.11858,
    section 4.1; here with those that pass on left out, and counted.

    Args:
        reference: Cells of this kind, of many architectures: they say which paths and operators there are.
    """

    def __init__(self, reference: Sequence[CellGraph]) -> None:
        seen: Counter[Path] = Counter()
        operators: dict[str, int] = {}
        for cell in reference:
            seen.update({path_of(path) for path in cell.paths()})
            for edge in cell.edges:
                if edge.operator:
                    operators.setdefault(edge.operator, len(operators))
        common = [path for path, count in seen.most_common(_MOST_PATHS) if count >= _RAREST * len(reference)]
        self._paths = {path: column for column, path in enumerate(sorted(common))}
        self._operators = {operator: column for column, operator in enumerate(sorted(operators))}

    def paths(self, cell: CellGraph) -> np.ndarray:
        """How often each path is there, shape ``(paths,)``."""
        found = np.zeros(len(self._paths))
        for way in cell.paths():
            column = self._paths.get(path_of(way))
            if column is not None:
                found[column] = min(found[column] + 1, _MOST_EQUAL)
        return found

    def summary(self, cell: CellGraph) -> np.ndarray:
        """What matters of the cell as a whole.

        Longest, shortest and mean path and their number; of every operator how many are on any path, and how
        many on one path at most, at least and in the mean.
        """
        ways = list(cell.paths())
        live = {edge for way in ways for edge in way}
        there = np.zeros((1, len(self._operators)))
        for edge in live:
            if edge.operator:
                there[0, self._operators[edge.operator]] += 1
        if not ways:
            nothing = np.full((3, len(self._operators)), -1.0)
            return np.concatenate([[-1.0, -1.0, -1.0, 0.0], there.ravel(), nothing.ravel()])
        along = np.zeros((len(ways), len(self._operators)))
        for row, way in zip(along, ways, strict=True):
            for operator in path_of(way):
                row[self._operators[operator]] += 1
        lengths = along.sum(axis=1)
        whole = [lengths.max(), lengths.min(), lengths.mean(), len(ways)]
        return np.concatenate([whole, there.ravel(), along.max(axis=0), along.min(axis=0), along.mean(axis=0)])
