"""Networks that were measured themselves, known again by their kernels: their latency is as it was measured."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwnas.predicting.kernel_facts import KernelFacts

if TYPE_CHECKING:
    from hwnas.predicting.training_set import MeasuredNetwork

#: Half width of a 90 % interval over that of a 95 % one, of a normal distribution.
_NARROWER = 1.645 / 1.960


class KnownNetwork(NamedTuple):
    """What measuring a network gave.

    Args:
        latency_s: Latency at the canary's reference speed [s].
        low_s: Lower end of its 90 % interval [s].
        high_s: Upper end [s].
    """

    latency_s: float
    low_s: float
    high_s: float


def network_digest(kernels: Iterable[KernelFacts], free: Collection[str]) -> str:
    """16 hexadecimal digits, equal for networks of the same kernels.

    Args:
        kernels: In any order: a listing need not have that of the run.
        free: Categories of kernels that take no time, and make no difference.
    """
    keys = sorted(k.key for k in kernels if not k.constant and k.category not in free)
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def known_networks(networks: Sequence[MeasuredNetwork], free: Collection[str]) -> dict[str, KnownNetwork]:
    """Digest -> what was measured: geometric means, where several networks have the same kernels.

    Args:
        networks: Measured ones.
        free: Categories of kernels that take no time.
    """
    found: dict[str, list[list[float]]] = defaultdict(list)
    for one in networks:
        logs = [math.log(value) for value in (one.low_s, one.latency_s, one.high_s)]
        found[network_digest(one.kernels, free)].append(logs)
    known = {}
    for digest, several in found.items():
        low, middle, high = np.mean(several, axis=0)
        low, high = (middle + _NARROWER * (end - middle) for end in (low, high))
        known[digest] = KnownNetwork(*(float(np.exp(value)) for value in (middle, low, high)))
    return known
