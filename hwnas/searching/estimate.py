"""What networks are thought to cost, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

#: Smaller errors are none.
_EXACT = 1e-12


@dataclass(frozen=True)
class Estimate:
    """Costs of ``n`` networks, each with a log-normal error.

    Args:
        median: Shape ``(n,)``, positive.
        spread: Standard deviation of the logarithm, shape ``(n,)``; 0 for what is known exactly.
    """

    median: np.ndarray
    spread: np.ndarray

    @classmethod
    def exact(cls, values: np.ndarray) -> Estimate:
        """Values without an error, shape ``(n,)``."""
        found = np.asarray(values, dtype=float)
        return cls(found, np.zeros_like(found))

    @classmethod
    def of_interval(cls, median: float, low: float, high: float, confidence: float) -> Estimate:
        """One network.

        Args:
            median: In the middle.
            low: Lower end of a two-sided interval.
            high: Its upper end.
            confidence: Of the interval.
        """
        deviations = 2 * norm.ppf(0.5 + confidence / 2)
        return cls(np.array([median]), np.array([np.log(high / low) / deviations]))

    def upper(self, confidence: float) -> np.ndarray:
        """Upper ends of one-sided intervals, shape ``(n,)``: the cost is below them so surely.

        Args:
            confidence: Between 0 and 1.
        """
        return np.asarray(self.median * np.exp(norm.ppf(confidence) * self.spread))

    def lower(self, confidence: float) -> np.ndarray:
        """Lower ends of one-sided intervals, shape ``(n,)``: the cost is above them so surely."""
        return self.upper(1 - confidence)

    def chance_within(self, limit: float) -> np.ndarray:
        """How likely each cost is at most `limit`, shape ``(n,)``."""
        exact = self.spread < _EXACT
        distance = np.log(limit / self.median) / np.where(exact, 1.0, self.spread)
        return np.where(exact, (self.median <= limit).astype(float), norm.cdf(distance))

    def __getitem__(self, which: np.ndarray | slice) -> Estimate:
        return Estimate(self.median[which], self.spread[which])

    def __len__(self) -> int:
        return len(self.median)
