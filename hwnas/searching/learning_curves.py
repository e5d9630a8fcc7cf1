"""What an unfinished training will end with, learned from those that were finished."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

#: Epoch -> validation accuracy.
Curve = Mapping[int, float]

#: Before anything was seen, of a lead after a share of the epochs that share is left in the end, give or take
#: this standard deviation.
_SLOPE_SD = 0.5
#: Finished trainings that what is thought beforehand of the errors' scatter counts for.
_WEIGHT = 2
#: The part of the final accuracies' variance that no epoch is thought beforehand to tell.
_LEAST_PART = 0.05
#: Accuracies never scatter less than this, however few images there are.
_LEAST_SD = 1e-3
#: A training that ends so many robust standard deviations below the median has failed, and tells of no other.
_FAILED = 6.0
#: Fewer finished trainings tell nothing of an epoch.
_FEWEST = 3


def best_so_far(curve: Curve) -> dict[int, float]:
    """Epoch -> the highest accuracy up to it: a training ends with the network of its best epoch.

    Epochs without a finite accuracy are left out.
    """
    known = [(epoch, curve[epoch]) for epoch in sorted(curve) if math.isfinite(curve[epoch])]
    highest = itertools.accumulate((accuracy for _, accuracy in known), max)
    return {epoch: value for (epoch, _), value in zip(known, highest, strict=True)}


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


class _Line(NamedTuple):
    """Final accuracy against the best one up to an epoch."""

    x: float
    y: float
    slope: float
    precision: float  #: Of the slope.
    variance: float  #: Of a final accuracy about the line.
    trainings: int


class LearningCurves:
    """Final accuracy against the best one up to an epoch, a straight line for each epoch.

    Bayesian linear regression with a normal prior on the slope and a scaled inverse chi-squared one on the
    variance. Source: Gelman et al., Bayesian Data Analysis, 3rd ed., sections 2.6 and 14.8, with the variance
    of the slope taken at the variance's own estimate.

    Args:
        finished: Curves of trainings that were finished, each with the final accuracy.
        given_up: Curves of those that were not.
    """

    def __init__(self, finished: Sequence[tuple[Curve, float]], given_up: Sequence[Curve] = ()) -> None:
        told = [(best_so_far(curve), final) for curve, final in finished if math.isfinite(final)]
        self._finished = [(curve, final) for curve, final in told if curve]
        self._given_up = [curve for curve in map(best_so_far, given_up) if curve]
        self._lines: dict[int, _Line | None] = {}

    @property
    def finals(self) -> list[float]:
        """Accuracies of the trainings that were finished."""
        return [final for _, final in self._finished]

    @property
    def begun(self) -> int:
        """Trainings, those that were given up included."""
        return len(self._finished) + len(self._given_up)

    def mean_epochs(self) -> float:
        """Epochs that a training has taken, those that were given up included; there must be one."""
        return float(np.mean([max(c) for c in (*(curve for curve, _ in self._finished), *self._given_up)]))

    def last_epoch(self, epoch: int) -> float:
        """At which epoch trainings that come to this one end; this one where none did."""
        return float(np.mean([max(c) for c, _ in self._finished if max(c) >= epoch] or [epoch]))

    def ending(self, epoch: int, accuracy: float) -> Ending | None:
        """The end of a training that has come so far; None where too few finished ones tell of that epoch.

        Args:
            epoch: Its last one.
            accuracy: The best up to then.
        """
        if epoch not in self._lines:
            self._lines[epoch] = self._line(epoch)
        line = self._lines[epoch]
        if line is None:
            return None
        lead = accuracy - line.x
        deviation = math.sqrt(line.variance * (1 + 1 / line.trainings) + lead**2 / line.precision)
        return Ending(line.y + line.slope * lead, deviation, _WEIGHT + line.trainings - 1)

    def _line(self, epoch: int) -> _Line | None:
        pairs = [(curve[epoch], final) for curve, final in self._finished if epoch in curve]
        usual = _not_failed(np.array([final for _, final in pairs])) if pairs else np.zeros(0, dtype=bool)
        if usual.sum() < _FEWEST:
            return None
        x, y = np.array(pairs)[usual].T
        away, rest = x - x.mean(), y - y.mean()
        share = epoch / self.last_epoch(epoch)
        expected = max(_LEAST_SD, float(y.std(ddof=1))) ** 2 * max(_LEAST_PART, 1 - share)
        variance = expected
        # The variance and the slope depend on each other; a few rounds settle both.
        for _ in range(5):
            precision = 1 / _SLOPE_SD**2 + float(away @ away) / variance
            slope = (share / _SLOPE_SD**2 + float(away @ rest) / variance) / precision
            left = float(((rest - slope * away) ** 2).sum() + away @ away / precision)
            variance = (_WEIGHT * expected + left) / (_WEIGHT + len(y) - 1)
        return _Line(float(x.mean()), float(y.mean()), slope, precision, variance, len(y))


def _not_failed(finals: np.ndarray) -> np.ndarray:
    """Which trainings have not failed: accuracies at chance level would be the line's only news."""
    middle = float(np.median(finals))
    scatter = max(_LEAST_SD, 1.4826 * float(np.median(np.abs(finals - middle))))
    return np.asarray(finals > middle - _FAILED * scatter)
