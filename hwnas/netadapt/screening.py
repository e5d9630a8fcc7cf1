"""Latencies of many pruned networks from the kernels of a few."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hwnas.core.workload import Workload
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.predictor import LatencyPredictor


class ScreenedLatency:
    """Estimates the latency of a network from the numbers of its channels, without compiling it.

    Every size in a network's kernels is linear in the numbers of channels of its groups. So one compilation
    without some channels of a group tells what becomes of the kernels without any others. A kernel that the
    runtime adds or leaves out for other sizes, such as a reorder, is not foreseen: whoever chooses a network by
    its estimate should predict it.

    Args:
        predictor: Of the latencies.
        workload: The whole network.
        kernels: Its own.
        counts: Channels of each group in it.
    """

    def __init__(
        self,
        predictor: LatencyPredictor,
        workload: Workload,
        kernels: Sequence[KernelFacts],
        counts: Mapping[str, int],
    ) -> None:
        self._predictor, self._workload, self._kernels = predictor, workload, tuple(kernels)
        self._counts = dict(counts)
        self._slopes: dict[str, list[np.ndarray]] = {}
        self._known: dict[tuple[tuple[str, int], ...], float] = {}

    def learn(self, group: str, dropped: int, kernels: Sequence[KernelFacts]) -> None:
        """What became of the kernels when only one group lost channels.

        Args:
            group: Its name.
            dropped: How many it lost.
            kernels: Of the network without them.
        """
        slopes = [np.zeros(len(_sizes(kernel)), dtype=int) for kernel in self._kernels]
        for place, other in _matches(self._kernels, kernels):
            before, after = _sizes(self._kernels[place]), _sizes(kernels[other])
            each, rest = np.divmod(before - after, dropped)
            # What does not fall evenly was not the group's doing.
            slopes[place] = np.where((rest == 0) & (each > 0), each, 0)
        self._slopes[group] = slopes

    def __call__(self, counts: Mapping[str, int]) -> float:
        """Upper end of the interval of the predicted latency [s].

        Args:
            counts: Channels that each group has left; groups that are not named have lost none.

        Raises:
            CellError: The network cannot be predicted.
        """
        key = tuple(sorted(counts.items()))
        if key not in self._known:
            self._known[key] = self._estimate(counts)
        return self._known[key]

    def _estimate(self, counts: Mapping[str, int]) -> float:
        gone = {group: self._counts[group] - count for group, count in counts.items()}
        kernels = []
        for place, kernel in enumerate(self._kernels):
            lost = sum(self._slopes[group][place] * number for group, number in gone.items())
            kernels.append(_resized(kernel, np.maximum(_sizes(kernel) - lost, 1)))
        return self._predictor.predict(self._workload, kernels=kernels).high_s


def _sizes(kernel: KernelFacts) -> np.ndarray:
    return np.array([*(d for shape in kernel.inputs for d in shape), *kernel.output, kernel.groups])


def _resized(kernel: KernelFacts, sizes: np.ndarray) -> KernelFacts:
    numbers = iter(sizes.tolist())
    inputs = tuple(tuple(next(numbers) for _ in shape) for shape in kernel.inputs)
    output = tuple(next(numbers) for _ in kernel.output)
    found = replace(kernel, inputs=inputs, output=output, groups=next(numbers))
    if kernel.misses is None:
        return found
    # As many of each byte.
    share = found.bytes / max(1, kernel.bytes)
    return replace(found, misses={geometry: count * share for geometry, count in kernel.misses.items()})


def _matches(kernels: Sequence[KernelFacts], others: Sequence[KernelFacts]) -> list[tuple[int, int]]:
    """Places of the same kernels in two networks that differ in sizes."""
    before, after = (
        [(k.type, k.window, k.stride, len(_sizes(k)), k.output[2:]) for k in found]
        for found in (kernels, others)
    )
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return [(b.a + place, b.b + place) for b in blocks for place in range(b.size)]
