"""Latencies at one speed of the host, from what the canary says of whole passes.

Reports compare arms that ran in the same round; a predictor compares networks that ran minutes or hours apart,
at whatever speed the host had then. A cell's own correction (:mod:`hwnas.measuring.drift`) knows its blocks and
its own worker's readings. Over all the blocks of a pass, and of the arms that took turns with it, there are
dozens of readings, whose mean says how fast the host was, and many networks tell what that does to them:

    log(latency_pass) = m_network + (slope + extra * short_network) * slowness_pass + noise

Networks that were measured in several passes tell the slopes. The first is near 1: a host at 80 % of its speed
takes a quarter longer for everything on the processor. Networks of many short kernels, whose time goes into
calling them, were seen to feel a neighbour half as much again on PyTorch. Of a GPU or NPU nobody knows a slope
before its passes tell.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

from hwnas.core.measurement import Block

#: Before networks tell of them, the slopes are these, give or take their standard deviations: on the processor,
#: where the canary runs too, and on any other device, which need not feel what the canary feels.
_USUAL, _USUAL_SD = np.array([1.0, 0.0]), np.array([0.1, 1.0])
_ELSEWHERE, _ELSEWHERE_SD = np.array([0.0, 0.0]), np.array([0.3, 1.0])
#: Kernels are half way to short where this is their mean time [s].
_SHORT_S = 20e-6
#: Residuals count by Cauchy's rule, with this scale: a pass may have met something else.
_SCALE = 0.05
#: A block's own latency or reading further than this from the middle of its pass was interrupted [log].
_INTERRUPTED = 0.5
_ROUNDS = 30
#: Usual standard deviation of what is left between passes, and how many values that is worth.
_USUAL_NOISE, _NOISE_WEIGHT = 0.05, 4


class Pass(NamedTuple):
    """One pass of one network.

    Args:
        network: Key of its workload.
        log_latency: Mean logarithm of its blocks' latencies [log s].
        slowness: How slow the host was meanwhile: logarithm of the canary's durations over their reference.
        short: :func:`shortness` of the network's kernels.
    """

    network: str
    log_latency: float
    slowness: float
    short: float = 0.0

    @property
    def felt(self) -> np.ndarray:
        """What the slopes are multiplied with, shape ``(2,)``."""
        return self.slowness * np.array([1.0, self.short])


class Steady(NamedTuple):
    """A latency while the canary runs at its reference speed.

    Args:
        latency_s: Geometric mean over the passes [s].
        low_s: Lower end of its 95 % interval [s].
        high_s: Upper end [s].
    """

    latency_s: float
    low_s: float
    high_s: float


def shortness(latency_s: float, kernels: int) -> float:
    """How short a network's kernels are, from 0 to 1.

    Args:
        latency_s: Of the network [s].
        kernels: Those that take time.
    """
    return _SHORT_S / (_SHORT_S + latency_s / max(1, kernels))


def log_latency(blocks: Sequence[Block]) -> float:
    """Mean logarithm of the blocks' latencies [log s], interrupted ones cut."""
    return _mean(np.array([[math.log(b.median_s)] for b in blocks]))[0]


def readings(blocks: Sequence[Block], reference: Mapping[str, float]) -> list[float]:
    """For each canary kernel the mean logarithm of its duration over the reference; empty without a canary.

    Args:
        blocks: Of one arm in one pass.
        reference: Durations [s] by name.
    """
    known = [r for b in blocks for r in (b.canary_before_s, b.canary_after_s) if r]
    names = sorted(n for n in reference if known and all(n in r for r in known))
    if not names:
        return []
    return _mean(np.array([[math.log(r[n] / reference[n]) for n in names] for r in known]))


def slowness(found: Iterable[Sequence[float]]) -> float:
    """The middle of all :func:`readings` of the arms that took turns; 0 where there are none.

    The middle, since a single kernel can be off for the life of a process: exponentials were seen to take half
    as long again in one worker of twenty.
    """
    values = [value for own in found for value in own]
    return float(np.median(values)) if values else 0.0


def _mean(values: np.ndarray) -> list[float]:
    """Means of columns, with what is far from a column's middle cut; shape ``(n, columns)``."""
    middle = np.median(values, axis=0)
    return [float(v) for v in np.clip(values, middle - _INTERRUPTED, middle + _INTERRUPTED).mean(axis=0)]


def steady_latencies(passes: Sequence[Pass], device: str = "cpu") -> dict[str, Steady]:
    """Network -> its latency at the canary's reference speed.

    Args:
        passes: Of one backend, in any order.
        device: On which it computes: ``cpu``, ``gpu`` or ``npu``.
    """
    by_network: dict[str, list[Pass]] = defaultdict(list)
    for one in passes:
        by_network[one.network].append(one)
    usual, spread = (_USUAL, _USUAL_SD) if device == "cpu" else (_ELSEWHERE, _ELSEWHERE_SD)
    slopes, noise, freedom = _slopes([own for own in by_network.values() if len(own) > 1], usual, spread)
    # Few passes tell the noise itself badly.
    quantile = float(student_t.ppf(0.975, freedom))
    found = {}
    for network, own in by_network.items():
        level = float(np.mean([p.log_latency - slopes @ p.felt for p in own]))
        width = quantile * noise / math.sqrt(len(own))
        found[network] = Steady(math.exp(level), math.exp(level - width), math.exp(level + width))
    return found


def _slopes(
    repeated: Sequence[Sequence[Pass]], usual: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, float, int]:
    """The slopes, the standard deviation of what they leave between passes of one network, and its degrees of
    freedom.

    Args:
        repeated: The passes of each network that has several.
        usual: The slopes before any is seen, shape ``(2,)``.
        spread: Their standard deviations.
    """
    every_felt: list[np.ndarray] = [np.empty((0, 2))]
    every_latency: list[np.ndarray] = [np.empty(0)]
    free = 0
    for own in repeated:
        here, logs = np.array([p.felt for p in own]), np.array([p.log_latency for p in own])
        every_felt.append(here - here.mean(axis=0))
        every_latency.append(logs - logs.mean())
        free += len(own) - 1
    felt, latency = np.concatenate(every_felt), np.concatenate(every_latency)
    slopes = usual
    prior = np.diag((_SCALE / spread) ** 2)
    for _ in range(_ROUNDS):
        # Cauchy's weights, and a prior in units of the same noise.
        weighted = felt.T / (1.0 + ((latency - felt @ slopes) / _SCALE) ** 2)
        slopes = np.linalg.solve(weighted @ felt + prior, weighted @ latency + prior @ usual)
    rest = np.clip(latency - felt @ slopes, -_INTERRUPTED, _INTERRUPTED)
    variance = (float(rest @ rest) + _NOISE_WEIGHT * _USUAL_NOISE**2) / (free + _NOISE_WEIGHT)
    return slopes, math.sqrt(variance), free + _NOISE_WEIGHT
