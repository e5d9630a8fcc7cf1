"""Intervals of 95 % for accuracies: over images, and over trainings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

LEVEL = 0.95


def wilson(value: float, n_images: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a share that was counted on some images, were others drawn in their place.

    Source: E. B. Wilson. Probable Inference, the Law of Succession, and Statistical Inference. Journal of the
    American Statistical Association 22 (1927) 209-212.

    Args:
        value: Share of the images, from 0 to 1; also a mean of such shares on the same images.
        n_images: At least one.
        level: Of confidence.

    >>> low, high = wilson(0.9, 100)
    >>> round(low, 4), round(high, 4)
    (0.8256, 0.9448)
    """
    z = statistics.NormalDist().inv_cdf((1 + level) / 2)
    shrink = 1 + z**2 / n_images
    middle = (value + z**2 / (2 * n_images)) / shrink
    half = z / shrink * math.sqrt(value * (1 - value) / n_images + (z / (2 * n_images)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean of some trainings' accuracies, were others made with other seeds.

    Source: Student. The Probable Error of a Mean. Biometrika 6 (1908) 1-25.

    Args:
        values: At least two.
        level: Of confidence.

    Returns:
        Within 0 and 1.

    >>> low, high = mean_interval([0.90, 0.91, 0.92])
    >>> round(low, 4), round(high, 4)
    (0.8852, 0.9348)
    """
    mean = statistics.fmean(values)
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * statistics.stdev(values) / math.sqrt(len(values))
    return max(0.0, mean - half), min(1.0, mean + half)
