"""How long the evaluation of a network will take, learned from those that were evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwnas.searching.surrogate import Surrogate

#: Fewer times tell nothing of others.
_FEWEST = 5
#: Logarithms of times never scatter less than this: what lies below is the host's noise.
_LEAST_SD = 0.05


class ExpectedTime:
    """A Gaussian process over the logarithms of times.

    Args:
        groups: How many groups of features there are (:class:`hwnas.searching.surrogate.Surrogate`).
    """

    def __init__(self, groups: int) -> None:
        self._surrogate = Surrogate(groups)

    def relative(
        self, groups: Sequence[np.ndarray], seconds: np.ndarray, wanted: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Times of networks in parts of the usual one, shape ``(m,)``; ones where too few are known.

        Args:
            groups: Features of evaluated networks, ``(n, columns)`` each.
            seconds: What an epoch of each has taken [s], shape ``(n,)``; not a number where nobody knows.
            wanted: Features of the networks to tell of, ``(m, columns)`` each.
        """
        known = np.isfinite(seconds) & (seconds > 0)
        if known.sum() < _FEWEST:
            return np.ones(len(wanted[0]))
        logs = np.log(seconds[known])
        deviation = max(_LEAST_SD, float(logs.std()))
        self._surrogate.fit([group[known] for group in groups], (logs - logs.mean()) / deviation)
        return np.asarray(np.exp(deviation * self._surrogate.predict(wanted)[0]))
