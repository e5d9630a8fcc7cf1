"""What accuracies of networks that were not trained may be: a Gaussian process over groups of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm, rankdata

#: Logarithms: variance and length of a group's part, and the variance of what no feature explains, before
#: anything was seen; and how far from there they may be thought to be.
_VARIANCE, _LENGTH, _OWN = 0.0, 0.0, np.log(0.1)
_SLACK_VARIANCE, _SLACK_LENGTH, _SLACK_OWN = 1.5, 0.7, 1.0
_VARIANCE_BOUNDS, _LENGTH_BOUNDS, _OWN_BOUNDS = (-7.0, 4.0), (-2.5, 2.5), (-7.0, 2.0)
_ITERATIONS = 50
_JITTER = 1e-6


def ranked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Values as normal scores of their ranks, shape ``(n,)``; equal ones share theirs.

    Accuracies have outliers at chance level, and differ least where it matters: at the top.
    """
    found = np.asarray(values, dtype=float)
    return np.asarray(norm.ppf((rankdata(found) - 0.5) / len(found)))


class Surrogate:
    """A sum of squared-exponential kernels, one for each group of features, and a part of each network's own.

    That part is no noise: it does not go away with more measurements of the same network, so it counts as
    what may be found (:meth:`predict`).

    Args:
        groups: How many groups of features there are.
    """

    def __init__(self, groups: int) -> None:
        self._middle = np.array([_VARIANCE, _LENGTH] * groups + [_OWN])
        self._slack = np.array([_SLACK_VARIANCE, _SLACK_LENGTH] * groups + [_SLACK_OWN])
        self._bounds = [_VARIANCE_BOUNDS, _LENGTH_BOUNDS] * groups + [_OWN_BOUNDS]
        self._logs = self._middle

    def fit(self, groups: Sequence[np.ndarray], targets: np.ndarray) -> Surrogate:
        """Learn.

        Args:
            groups: Arrays of the shape ``(n, columns)``, n at least 2; single precision is enough.
            targets: Shape ``(n,)``, about standard normal.
        """
        self._groups, self._targets = list(groups), np.asarray(targets, dtype=float)
        distances = [_squared(g, g) for g in (group.astype(float) for group in groups)]
        found = minimize(
            self._loss,
            # Not from the last fit: a search that goes on in another process has none.
            self._middle,
            args=(distances,),
            jac=True,
            method="L-BFGS-B",
            bounds=self._bounds,
            options={"maxiter": _ITERATIONS},
        )
        self._logs = np.asarray(found.x)
        covariance = sum(_parts(self._logs, distances)) + self._own() * np.eye(len(self._targets))
        self._factor = cho_factor(covariance, lower=True)
        self._solved = cho_solve(self._factor, self._targets)
        return self

    def predict(self, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of networks that were not seen, each network's own part included.

        Args:
            groups: As in :meth:`fit`.
        """
        cross = sum(_parts(self._logs, [_squared(a, b) for a, b in zip(groups, self._groups, strict=True)]))
        mean = cross @ self._solved
        explained = solve_triangular(self._factor[0], np.asarray(cross).T, lower=True)
        variance = np.exp(self._logs[:-1:2]).sum() + self._own() - (explained**2).sum(axis=0)
        return mean, np.sqrt(np.maximum(variance, _JITTER))

    def _own(self) -> float:
        return float(np.exp(self._logs[-1])) + _JITTER

    def _loss(self, logs: np.ndarray, distances: list[np.ndarray]) -> tuple[float, np.ndarray]:
        """Negative logarithm of the marginal likelihood, with a normal prior on `logs`, and its gradient.

        Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 5.8 and 5.9.
        """
        y = self._targets
        parts = _parts(logs, distances)
        own = float(np.exp(logs[-1]))
        factor = cho_factor(sum(parts) + (own + _JITTER) * np.eye(len(y)), lower=True)
        solved = cho_solve(factor, y)
        loss = 0.5 * y @ solved + np.log(np.diag(factor[0])).sum()
        difference = cho_solve(factor, np.eye(len(y))) - np.outer(solved, solved)
        gradient = np.empty_like(logs)
        for place, (part, distance) in enumerate(zip(parts, distances, strict=True)):
            gradient[2 * place] = 0.5 * np.sum(difference * part)
            gradient[2 * place + 1] = (
                0.5 * np.sum(difference * part * distance) / np.exp(2 * logs[2 * place + 1])
            )
        gradient[-1] = 0.5 * own * np.trace(difference)
        away = (logs - self._middle) / self._slack
        return float(loss + 0.5 * away @ away), gradient + away / self._slack


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances, shape ``(n, m)``."""
    found = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(found, 0.0))


def _parts(logs: np.ndarray, distances: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The covariance of each group."""
    return [
        np.exp(logs[2 * place] - distance / (2 * np.exp(2 * logs[2 * place + 1])))
        for place, distance in enumerate(distances)
    ]
