"""What an unfinished training will end with, learned from those that were finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

#: Before anything was seen, of a lead at some epoch this part is left in the end, give or take a standard
#: deviation: later epochs keep more of it, earlier ones less.
_SLOPE, _SLOPE_SD = 0.5, 0.5
#: Finished trainings that the scatter of their accuracies counts for, where it stands for that of the errors.
_WEIGHT = 2
#: Accuracies never scatter less than this, however few images there are.
_LEAST_SD = 1e-3


@dataclass(frozen=True)
class Ending:
    """A final accuracy that is not known yet.

    Args:
        mean: Most likely.
        deviation: Scale of Student's t.
        freedom: Its degrees of freedom.
    """

    mean: float
    deviation: float
    freedom: float

    def chance_above(self, accuracy: float) -> float:
        """How likely the training ends above some accuracy."""
        return float(student_t.sf((accuracy - self.mean) / self.deviation, self.freedom))


class LearningCurves:
    """Final accuracy against that at an epoch, a straight line for each epoch.

    Bayesian linear regression with a normal prior on the slope and a scaled inverse chi-squared one on the
    variance, whose scale is that of the final accuracies. Source: Gelman et al., Bayesian Data Analysis, 3rd
    ed., section 14.8, with the variance of the slope taken at the variance's own estimate.

    Args:
        curves: Of finished trainings, epoch -> accuracy.
        finals: Their final accuracies.
    """

    def __init__(self, curves: Sequence[Mapping[int, float]], finals: Sequence[float]) -> None:
        self._curves = list(curves)
        self.finals = tuple(finals)

    def of_another(self) -> Ending:
        """The end of a training that nothing is known of yet; there must be finished ones."""
        y = np.array(self.finals)
        variance = _variance_of(y)
        return Ending(float(y.mean()), float(np.sqrt(variance * (1 + 1 / len(y)))), _WEIGHT + len(y) - 1)

    def ending(self, epoch: int, accuracy: float) -> Ending | None:
        """The end of a training that has come to an accuracy; None where no finished one tells of that epoch.

        Args:
            epoch: Last one.
            accuracy: Then.
        """
        pairs = [(c[epoch], f) for c, f in zip(self._curves, self.finals, strict=True) if epoch in c]
        if not pairs:
            return None
        x, y = np.array(pairs).T
        away, rest = x - x.mean(), y - y.mean()
        spread = variance = _variance_of(y)
        # The variance and the slope depend on each other; a few rounds settle both.
        for _ in range(5):
            precision = 1 / _SLOPE_SD**2 + float(away @ away) / variance
            slope = (_SLOPE / _SLOPE_SD**2 + float(away @ rest) / variance) / precision
            left = float(((rest - slope * away) ** 2).sum())
            variance = (_WEIGHT * spread + left) / (_WEIGHT + len(y) - 1)
        lead = accuracy - float(x.mean())
        return Ending(
            mean=float(y.mean()) + slope * lead,
            deviation=float(np.sqrt(variance * (1 + 1 / len(y)) + lead**2 / precision)),
            freedom=_WEIGHT + len(y) - 1,
        )


def _variance_of(finals: np.ndarray) -> float:
    return max(_LEAST_SD, float(finals.std(ddof=1)) if len(finals) > 1 else 0.0) ** 2
