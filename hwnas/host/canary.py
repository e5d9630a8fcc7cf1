"""The canary: a fixed small piece of work whose duration tells how fast the host is right now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

#: The matrix kernel: so many products of square matrices of this side.
_PRODUCTS = 20
_SIDE = 48

_SPEED_READINGS = 20


class Canary:
    """Three kernels of about 0.1 ms each, timed one after the other.

    A virtual CPU loses speed to a neighbour on the same core, in its vector units, its load ports
    or its front end, and networks feel these unlike each other: a matrix product, vector
    arithmetic, and an interpreter loop. All three live in the first-level cache. Kernels on
    larger buffers were tried and left out: where their pages happen to lie made one process's canary
    up to 20 % slower than another's, which a correction would have passed on to the latencies.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        # 48 x 48 stays below the size at which BLAS libraries start to use several threads.
        small = rng.random((_SIDE, _SIDE), dtype=np.float32)
        product = np.empty_like(small)
        vector = rng.random(4096, dtype=np.float32)
        exponentials = np.empty_like(vector)

        def matrix() -> None:
            for _ in range(_PRODUCTS):
                np.matmul(small, small, out=product)

        def arithmetic() -> None:
            for _ in range(40):
                np.exp(vector, out=exponentials)

        def interpreter() -> int:
            total = 0
            for i in range(2500):
                total += i
            return total

        self._kernels: Mapping[str, Callable[[], object]] = MappingProxyType(
            {"matrix": matrix, "arithmetic": arithmetic, "interpreter": interpreter}
        )
        self.read()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the kernels, in the order in which they run."""
        return tuple(self._kernels)

    def read(self) -> dict[str, float]:
        """Run every kernel once; returns its duration [s] by name."""
        clock = time.perf_counter_ns
        durations = {}
        for name, kernel in self._kernels.items():
            start = clock()
            kernel()
            durations[name] = (clock() - start) * 1e-9
        return durations


def multiply_adds_per_s() -> float:
    """Multiply-adds of one thread of this host in a second, by the canary's matrix product at its best."""
    canary = Canary()
    best = min(canary.read()["matrix"] for _ in range(_SPEED_READINGS))
    return _PRODUCTS * _SIDE**3 / best
