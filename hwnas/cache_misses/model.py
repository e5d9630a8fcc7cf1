"""Cache misses of a dataflow: its traffic through a simulated cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwnas.cache_misses.addresses import Addresses
from hwnas.cache_misses.lru import TiledCache
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.dataflow import Dataflow, Step


@dataclass(frozen=True)
class StepMisses:
    """What one step brings into the cache.

    Args:
        step: The step.
        misses: Lines that were not in the cache.
        accesses: Lines that the step touched; no fewer than it missed, which come in whole tiles.
    """

    step: Step
    misses: float
    accesses: float


@dataclass(frozen=True)
class ModelledMisses:
    """Misses of one inference in the steady state, step by step."""

    geometry: CacheGeometry
    steps: tuple[StepMisses, ...]

    @property
    def misses(self) -> float:
        """Lines brought in during one inference."""
        return sum(s.misses for s in self.steps)

    @property
    def accesses(self) -> float:
        """Lines touched during one inference."""
        return sum(s.accesses for s in self.steps)


def modelled_misses(flow: Dataflow, geometry: CacheGeometry) -> ModelledMisses:
    """Run a dataflow through an LRU cache in the steady state, and count one inference.

    Every step walks through its buffers at the same relative speed, as kernels that stream from inputs to
    outputs do.

    Args:
        flow: Buffers and steps of one inference.
        geometry: Of the last-level cache, which all threads share.
    """
    cache = TiledCache(geometry)
    walks = _walks(flow, cache.tile_bytes)
    # What an earlier inference left in the cache: its last steps, as far back as they fill it.
    left: set[int] = set()
    start = len(walks)
    while start and len(left) < cache.capacity:
        start -= 1
        left.update(walks[start])
    for walk in walks[start:]:
        cache.touch(walk)
    lines = cache.tile_bytes / geometry.line_bytes
    steps = []
    for step, walk in zip(flow.steps, walks, strict=True):
        missed = cache.touch(walk) * lines
        touched = sum(flow.buffers[i].size for i in step.touches) / geometry.line_bytes
        steps.append(StepMisses(step, missed, max(missed, touched)))
    return ModelledMisses(geometry, tuple(steps))


def _walks(flow: Dataflow, tile_bytes: int) -> list[list[int]]:
    """The tiles that each step touches, in order; the same in every inference."""
    addresses = Addresses(flow)
    walks = []
    for step in flow.steps:
        walks.append(_walk(flow, step, addresses, tile_bytes))
        for index in step.frees:
            addresses.free(index)
    return walks


def _walk(flow: Dataflow, step: Step, addresses: Addresses, tile_bytes: int) -> list[int]:
    """The tiles of every buffer that a step touches, side by side."""
    tiles, progress = [], []
    for index in step.touches:
        size = flow.buffers[index].size
        if size:
            start = addresses.of(index)
            first, last = start // tile_bytes, (start + size - 1) // tile_bytes
            own = np.arange(first, last + 1)
            tiles.append(own)
            progress.append((np.arange(len(own)) + 0.5) / len(own))
    if not tiles:
        return []
    order = np.argsort(np.concatenate(progress), kind="stable")
    merged: list[int] = np.concatenate(tiles)[order].tolist()
    return merged
