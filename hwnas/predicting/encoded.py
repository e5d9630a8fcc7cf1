"""Latencies of architectures that are known by their choices alone: a table of measurements, and no kernels.

A Gaussian process whose prior says what latencies of choices are like: mostly a sum over choices, in which
the same option costs about the same wherever it stands, a part for each place of its own, and a smaller part
for pairs of choices. How large each part is follows from the data. A predictor of another host may stand in
for the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from hwnas.core.errors import UsageError
from hwnas.predicting.forest import Forest

#: Logarithms of the variances that the search begins with: level, options, places, pairs, noise.
_START = np.log([1.0, 1.0, 0.2, 0.05, 0.05])
_LOWEST, _HIGHEST = np.log(1e-6), np.log(1e4)
#: From so many measurements on, what a sum of choices leaves is worth learning.
_MANY = 200
#: Standard deviation of the logarithms around where they begin: with ten samples they stay near, with a
#: thousand they go where they will.
_SLACK = 2.0
#: Candidates that are looked at where there are very many, but for as many as are wanted.
_POOL = 2000


@dataclass(frozen=True)
class ChoiceEncoding:
    """One-hot places and counts of options.

    Args:
        options: For each choice the number of its options.
        labels: For each choice the labels of its options, from 0; what has the same label means the same.
            Without them an option's number does, in all choices.
    """

    options: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...] = ()

    def places(self, architectures: np.ndarray) -> np.ndarray:
        """One-hot, shape ``(n, sum of options)``.

        Args:
            architectures: Numbers of options, shape ``(n, choices)``.

        Raises:
            UsageError: A number is out of range.
        """
        chosen = np.atleast_2d(np.asarray(architectures, dtype=int))
        if chosen.shape[1] != len(self.options):
            raise UsageError(
                f"an architecture has {chosen.shape[1]} choices",
                f"Give one number for each of {len(self.options)}",
            )
        if (chosen < 0).any() or (chosen >= np.array(self.options)).any():
            raise UsageError("an option's number is out of range", "Count options from 0")
        starts = np.concatenate([[0], np.cumsum(self.options)[:-1]])
        found = np.zeros((len(chosen), sum(self.options)))
        found[np.arange(len(chosen))[:, None], starts + chosen] = 1.0
        return found

    def counts(self, architectures: np.ndarray) -> np.ndarray:
        """How often each label was chosen, shape ``(n, labels)``."""
        labels = self.labels or tuple(tuple(range(count)) for count in self.options)
        into = np.zeros((sum(self.options), 1 + max(max(own) for own in labels)))
        into[np.arange(len(into)), np.concatenate(labels)] = 1.0
        return self.places(architectures) @ into


class EncodedPredictor:
    """Latency of an architecture from its choices; :meth:`fit` makes one.

    Args:
        encoding: Of the choices.
    """

    def __init__(self, encoding: ChoiceEncoding) -> None:
        self.encoding = encoding

    def fit(
        self, architectures: np.ndarray, latencies_s: np.ndarray, mean_s: np.ndarray | None = None
    ) -> EncodedPredictor:
        """Learn from measured architectures.

        Args:
            architectures: Numbers of options, shape ``(n, choices)``.
            latencies_s: Measured, shape ``(n,)``, in any unit.
            mean_s: What another host's predictor says of them, shape ``(n,)``.

        Raises:
            UsageError: There are fewer than two, a latency is not positive, or not every architecture has one.
        """
        y = np.asarray(latencies_s, dtype=float)
        if len(y) < 2 or not np.isfinite(y).all() or (y <= 0).any():
            raise UsageError(
                "latencies must be two or more positive numbers", "Leave out what was not measured"
            )
        self._x = np.atleast_2d(np.asarray(architectures, dtype=int))
        if len(self._x) != len(y):
            raise UsageError(
                f"{len(y)} latencies are given for {len(self._x)} architectures", "Give one for each"
            )
        self._with_mean = mean_s is not None
        basis = self._basis(len(y), mean_s)
        self._weights = np.linalg.lstsq(basis, y, rcond=None)[0]
        rest = y - basis @ self._weights
        # Latencies of one network's parts add up; scatter around a mean is what the process explains.
        self._scale = float(np.std(rest)) or 1e-9 * float(np.mean(y))
        self._rest = rest / self._scale
        # A measurement's error is a part of what is measured.
        self._errors = np.diag((y / float(np.mean(y))) ** 2)
        self._parts = self._kernels(self._x, self._x)
        bounds = [(_LOWEST, _HIGHEST)] * len(_START)
        found = minimize(self._loss, _START, jac=True, method="L-BFGS-B", bounds=bounds)
        self._logs = found.x
        self._solve()
        self._left = self._left_over(y, basis) if len(y) >= _MANY else None
        return self

    def predict(
        self, architectures: np.ndarray, mean_s: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Latencies and their standard deviations, in the unit of the training's.

        Args:
            architectures: Numbers of options, shape ``(n, choices)``.
            mean_s: As in :meth:`fit`, where it was given there.

        Raises:
            UsageError: `mean_s` is missing, not wanted, or not one for each.
        """
        if self._with_mean != (mean_s is not None):
            raise UsageError(
                "the mean must be given to both fit and predict, or to neither", "Pass mean_s to both"
            )
        x = np.atleast_2d(np.asarray(architectures, dtype=int))
        variances = np.exp(self._logs)
        cross = sum(v * k for v, k in zip(variances[:-1], self._kernels(x, self._x), strict=True))
        own = sum(v * d for v, d in zip(variances[:-1], self._diagonals(x), strict=True))
        rest = cross @ self._solved
        explained = np.einsum("ij,ji->i", cross, cho_solve(self._factor, cross.T))
        spread = np.sqrt(np.maximum(own - explained + variances[-1], 1e-12))
        found = self._basis(len(x), mean_s) @ self._weights + rest * self._scale
        spread = spread * self._scale
        if self._left is not None:
            factor = np.exp(self._left.predict(self._features(x))[0])
            return found * factor, spread * factor
        return found, spread

    def _basis(self, count: int, mean_s: np.ndarray | None) -> np.ndarray:
        columns = [np.ones(count)]
        if mean_s is not None:
            mean = np.asarray(mean_s, dtype=float)
            if mean.shape != (count,):
                raise UsageError(
                    f"mean_s has the shape {mean.shape} for {count} architectures", "Give one mean for each"
                )
            columns.append(mean)
        return np.stack(columns, axis=1)

    def _kernels(self, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        """Covariances of the parts, each about 1 where architectures are equal."""
        choices = len(self.encoding.options)
        counts = self.encoding.counts(a) @ self.encoding.counts(b).T / choices
        places = self.encoding.places(a) @ self.encoding.places(b).T / choices
        return [np.ones_like(places), counts, places, places**2]

    def _diagonals(self, a: np.ndarray) -> list[np.ndarray]:
        ones = np.ones(len(a))
        return [ones, (self.encoding.counts(a) ** 2).sum(axis=1) / len(self.encoding.options), ones, ones]

    def _covariance(self, logs: np.ndarray) -> np.ndarray:
        variances = np.exp(logs)
        total = sum(v * k for v, k in zip(variances[:-1], self._parts, strict=True))
        return np.asarray(total + variances[-1] * self._errors)

    def _solve(self) -> None:
        self._factor = cho_factor(self._covariance(self._logs), lower=True)
        self._solved = cho_solve(self._factor, self._rest)

    def _left_over(self, y: np.ndarray, basis: np.ndarray) -> Forest:
        """What a sum leaves: a forest for the logarithm of measured / predicted, without the own measurement.

        Source of the prediction without one's own: Rasmussen and Williams, equation 5.12.
        """
        inverse = np.diag(cho_solve(self._factor, np.eye(len(y))))
        alone = basis @ self._weights + (self._rest - self._solved / inverse) * self._scale
        usable = alone > 0.05 * y
        ratios = np.log(y[usable] / alone[usable])
        return Forest.fit(self._features(self._x[usable]), ratios, trees=200, leaf=3)

    def _features(self, architectures: np.ndarray) -> np.ndarray:
        return np.hstack([self.encoding.places(architectures), self.encoding.counts(architectures)])

    def _loss(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative logarithm of the marginal likelihood with a normal prior on `logs`, and its gradient.

        Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 5.8 and 5.9.
        """
        factor = cho_factor(self._covariance(logs), lower=True)
        solved = cho_solve(factor, self._rest)
        loss = 0.5 * self._rest @ solved + np.log(np.diag(factor[0])).sum()
        inverse = cho_solve(factor, np.eye(len(self._rest)))
        difference = inverse - np.outer(solved, solved)
        parts = [*self._parts, self._errors]
        gradient = np.array(
            [0.5 * np.exp(log) * np.sum(difference * k) for log, k in zip(logs, parts, strict=True)]
        )
        away = (logs - _START) / _SLACK
        return float(loss + 0.5 * away @ away), gradient + away / _SLACK


def most_telling(encoding: ChoiceEncoding, architectures: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Places of the architectures whose measurement tells most, before any was measured.

    Greedily the one of which the others say least, under the prior.
    Source: Krause, Singh and Guestrin, Near-optimal sensor placements in Gaussian processes, Journal of Machine
    Learning Research 9, 2008, section 3.1 (entropy).

    Args:
        encoding: Of the choices.
        architectures: Candidates, shape ``(n, choices)``.
        count: How many are wanted.
        seed: Of the candidates that are looked at, where there are very many: a random part of them.

    Returns:
        Shape ``(count,)``; fewer where there are fewer candidates.
    """
    everything = np.asarray(architectures, dtype=int)
    pool = np.arange(len(everything))
    most = max(_POOL, count)
    if len(pool) > most:
        pool = np.sort(np.random.default_rng(seed).choice(pool, most, replace=False))
    x = everything[pool]
    prior = EncodedPredictor(encoding)
    variances = np.exp(_START)
    covariance = np.asarray(sum(v * k for v, k in zip(variances[:-1], prior._kernels(x, x), strict=True)))
    left = np.diag(covariance).copy()
    rows: list[np.ndarray] = []
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        best = int(np.argmax(left))
        chosen.append(best)
        # One step of a pivoted Cholesky factorisation, with the noise of a measurement.
        row = covariance[best] - sum((r[best] * r for r in rows), np.zeros(len(pool)))
        row = row / np.sqrt(max(left[best], 1e-12) + variances[-1])
        rows.append(row)
        left = left - row**2
        left[best] = -np.inf
    return pool[chosen]
