"""The canary: a fixed small piece of work whose duration tells how fast the host is right now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np


class Canary:
    """Five kernels of about 0.1 ms each, timed one after the other.

    A virtual CPU loses speed to a neighbour on the same core, to a smaller share of the cache, or
    to memory traffic, and networks feel these unlike each other. The kernels cover what inference
    lives on: a matrix product in the first-level cache, vector arithmetic, gathers from the
    second-level cache, strided reads from the last-level cache, and the interpreter's branches and
    integers, which stand for a runtime's own code. They stay small, so that
    reading them leaves most of a network's working set in the caches.

    Buffers are filled, since untouched zero pages would all be one page.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        # 48 x 48 stays below the size at which BLAS libraries start to use several threads.
        small = rng.random((48, 48), dtype=np.float32)
        product = np.empty_like(small)
        vector = rng.random(4096, dtype=np.float32)
        exponentials = np.empty_like(vector)
        table = rng.random(2**16, dtype=np.float32)
        indices = rng.integers(0, table.size, 2**15)
        gathered = np.empty(indices.size, dtype=np.float32)
        large = rng.random(2**20, dtype=np.float32)[::16]

        def matrix() -> None:
            for _ in range(20):
                np.matmul(small, small, out=product)

        def arithmetic() -> None:
            for _ in range(40):
                np.exp(vector, out=exponentials)

        def gather() -> None:
            np.take(table, indices, out=gathered)

        def stride() -> None:
            large.sum()

        def interpreter() -> int:
            total = 0
            for i in range(2500):
                total += i
            return total

        self._kernels: Mapping[str, Callable[[], object]] = MappingProxyType(
            {
                "matrix": matrix,
                "arithmetic": arithmetic,
                "gather": gather,
                "stride": stride,
                "interpreter": interpreter,
            }
        )
        for kernel in self._kernels.values():
            kernel()

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
