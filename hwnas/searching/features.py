"""Architectures as groups of features, for a model of their accuracy. The same for every space.

- ``places``: which option each choice has;
- ``paths``: the ways through cells, where the space has any;
- ``summary``: how often options of choices of one kind were chosen, sums of numbers, and what cells are like
  as a whole;
- ``sizes``: multiply-adds and parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from hwnas.searching.cell_features import CellFeatures
from hwnas.searching.choice_kinds import encoding, is_numeric, kind
from hwnas.searching.codes import Codes, codes_of, keys
from hwnas.searching.sizes import sizes_of
from hwnas.workloads.spaces.space import Space

#: Spaces with more combinations are described by a sample of them.
_WALKED = 20_000
_REFERENCE = 2000
#: Of a column's standard deviation in the reference: what is rarer is not told apart more strongly.
_LEAST_DEVIATION = 0.05


@lru_cache(maxsize=4)
def features_of(space: Space) -> Features:
    """The features of a space, described once for all searches of this process."""
    return Features(codes_of(space))


class Features:
    """Describes architectures of one space; what was described is kept.

    Squared distances of two architectures within a group are about 2 on average, 1 at most for ``places``.

    Args:
        codes: Of the space.
        seed: Of the sample that scales the features, in large spaces.
    """

    def __init__(self, codes: Codes, seed: int = 0) -> None:
        self._codes = codes
        self._encoding = encoding(codes.space)
        self._sizes = sizes_of(codes.space)
        small = codes.combinations <= _WALKED
        reference = codes.everything if small else codes.sample(_REFERENCE, np.random.default_rng(seed))
        cells = [codes.space.cell_graphs(codes.decode(row)) for row in reference]
        self._cells = [CellFeatures(same) for same in zip(*cells, strict=True)]
        self._scales: list[tuple[np.ndarray, np.ndarray]] = []
        raw = self._raw(reference)
        for group in raw[1:]:
            deviation = group.std(axis=0)
            # Columns that are the same for all say nothing.
            scale = np.where(deviation > 0, np.maximum(deviation, _LEAST_DEVIATION), np.inf)
            self._scales.append((group.mean(axis=0), scale * np.sqrt(max(1, (deviation > 0).sum()))))
        self._places_of: dict[bytes, int] = {}
        self._kept: list[np.ndarray] = []
        self._keep(reference, self._scaled(raw))

    def groups(self, rows: np.ndarray) -> list[np.ndarray]:
        """One array a group, each of the shape ``(n, columns)``, float32.

        Args:
            rows: Architectures, shape ``(n, choices)``.
        """
        own = keys(rows)
        new = np.array([key not in self._places_of for key in own], dtype=bool)
        if new.any():
            self._keep(rows[new], self._scaled(self._raw(rows[new])))
        places = [self._places_of[key] for key in own]
        return [group[places] for group in self._kept]

    def _keep(self, rows: np.ndarray, groups: Sequence[np.ndarray]) -> None:
        """Remember what was described.

        Args:
            rows: None of them known.
            groups: Theirs.
        """
        # Not how many are known: of equal rows, each has a place here.
        start = len(self._kept[0]) if self._kept else 0
        self._places_of.update({key: start + i for i, key in enumerate(keys(rows))})
        single = [group.astype(np.float32) for group in groups]
        pairs = zip(self._kept, single, strict=True)
        self._kept = [np.vstack(pair) for pair in pairs] if self._kept else single

    def _scaled(self, raw: Sequence[np.ndarray]) -> list[np.ndarray]:
        pairs = zip(raw[1:], self._scales, strict=True)
        return [raw[0], *((group - mean) / scale for group, (mean, scale) in pairs)]

    def _raw(self, rows: np.ndarray) -> list[np.ndarray]:
        graphs = [self._codes.space.cell_graphs(self._codes.decode(row)) for row in rows] if self._cells else []
        paths = [np.array([f.paths(g[i]) for g in graphs]) for i, f in enumerate(self._cells)]
        whole = [np.array([f.summary(g[i]) for g in graphs]) for i, f in enumerate(self._cells)]
        summary = np.hstack([self._encoding.counts(rows), self._sums(rows), *whole])
        sizes = self._sizes.logs(rows)
        return [self._places(rows), *([np.hstack(paths)] if paths else []), summary, sizes]

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """Half a unit's square away for each other option; numbers by how far apart they stand."""
        columns = []
        share = np.sqrt(1 / max(1, int((self._codes.options > 1).sum())))
        for choice, chosen in zip(self._codes.space.choices, rows.T, strict=True):
            if is_numeric(choice):
                order = np.argsort(np.argsort(choice.options))
                columns.append(share * order[chosen][:, None] / max(1, len(choice.options) - 1))
            else:
                columns.append(share * np.sqrt(0.5) * np.eye(len(choice.options))[chosen])
        return np.hstack(columns)

    def _sums(self, rows: np.ndarray) -> np.ndarray:
        """Of the logarithms of numbers, by kind of choice."""
        sums: dict[tuple[str, ...], np.ndarray] = {}
        for choice, chosen in zip(self._codes.space.choices, rows.T, strict=True):
            if is_numeric(choice):
                values = np.log1p(np.array(choice.options, dtype=float))[chosen]
                sums[kind(choice)] = sums.get(kind(choice), np.zeros(len(rows))) + values
        return np.stack(list(sums.values()), axis=1) if sums else np.zeros((len(rows), 0))
