"""How large networks are, for what tells accuracies before any network is trained.

Of two networks of one space the larger is the more accurate one, as a rule; how far that carries is the
surrogate's to learn. Source: M. Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021,
arXiv:2101.08134, table 1; C. White et al., A Deeper Look at Zero-Cost Proxies, ICLR blog track 2022.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.stats import rankdata

from hwnas.searching.part_tables import PartTables
from hwnas.workloads.spaces.space import PartModule, Space


@lru_cache(maxsize=4)
def sizes_of(space: Space) -> Sizes:
    """The sizes of a space's networks; what takes time is done once for all searches of this process."""
    return Sizes(space)


class Sizes:
    """Logarithms of multiply-adds and of parameters.

    Args:
        space: Whose networks.
    """

    def __init__(self, space: Space) -> None:
        self._tables = PartTables(space, _macs_and_parameters, width=2)

    def logs(self, rows: np.ndarray) -> np.ndarray:
        """Shape ``(n, 2)``: multiply-adds of one image, then parameters.

        Args:
            rows: Architectures, shape ``(n, choices)``.
        """
        return np.asarray(np.log1p(self._tables.sums(rows)))

    def larger_first(self, rows: np.ndarray, entrants: int, rng: np.random.Generator) -> np.ndarray:
        """Random numbers below 1, shape ``(n,)``: the network with the largest is drawn.

        It is about as likely to be any as the winner of a tournament is, in which of so many random entrants
        the one with the most multiply-adds wins (just so with two); the next largest number is the next one.
        Source of drawing by weight without replacement: P. Efraimidis, P. Spirakis, Weighted random sampling
        with a reservoir, Information Processing Letters 97, 2006, algorithm A.

        Args:
            rows: Architectures, shape ``(n, choices)``.
            entrants: Of a tournament; with 1, all are equally likely.
            rng: Draws.
        """
        draws = rng.random(len(rows))
        ranks = rankdata(self.logs(rows)[:, 0])
        weights = ((ranks - 0.5) / len(rows)) ** (entrants - 1)
        return np.asarray(draws ** (1 / weights))


def _macs_and_parameters(part: PartModule) -> tuple[float, float]:
    from hwnas.workloads.spaces.build import part_counts

    counts = part_counts(part)
    return counts.macs, counts.parameters
