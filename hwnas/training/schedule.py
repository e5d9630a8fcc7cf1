"""The learning rate over a training."""

from __future__ import annotations

import math


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """A straight rise to `peak`, then half a cosine that would be 0 one step after the last.

    Source: P. Goyal et al. 2017, arXiv:1706.02677, section 2.2; I. Loshchilov, F. Hutter 2017,
    arXiv:1608.03983, equation 5, with one period.

    Args:
        step: From 0.
        steps: Of the whole training.
        peak: Highest rate.
        warmup: Share of the steps that rise.

    >>> [round(learning_rate(step, 6, 0.1, 0.3), 3) for step in range(6)]
    [0.05, 0.1, 0.1, 0.085, 0.05, 0.015]
    """
    rising = min(round(steps * warmup), steps - 1)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
