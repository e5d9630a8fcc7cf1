"""Where the buffers of a dataflow lie: a heap's best fit, or an arena planned in advance."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

from hwnas.core.dataflow import Dataflow

_ALIGNMENT = 64

#: Base addresses of the regions, far apart.
_FIXED_BASE = 0
_TEMPORARY_BASE = 1 << 44


def _aligned(size: int) -> int:
    return max(_ALIGNMENT, -(-size // _ALIGNMENT) * _ALIGNMENT)


class Heap:
    """Best fit with coalescing, as glibc's malloc serves large blocks once it keeps what was freed.

    Source: glibc's malloc.c, "best-first with FIFO among equals, coalescing".
    """

    def __init__(self, base: int) -> None:
        self._top = base
        self._free: list[tuple[int, int]] = []  # (size, start), sorted
        self._by_start: dict[int, int] = {}  # start -> size
        self._by_stop: dict[int, int] = {}  # stop -> start

    def allocate(self, size: int) -> int:
        """Address of `size` new bytes."""
        size = _aligned(size)
        place = bisect_left(self._free, (size, 0))
        if place < len(self._free):
            found, start = self._free.pop(place)
            self._forget(start, found)
            if found > size:
                self._add(start + size, found - size)
            return start
        # A free block at the top grows; else new memory is taken.
        start = self._by_stop.get(self._top, self._top)
        if start < self._top:
            known = self._by_start[start]
            self._free.remove((known, start))
            self._forget(start, known)
        self._top = start + size
        return start

    def release(self, start: int, size: int) -> None:
        """Give back what :meth:`allocate` returned."""
        size = _aligned(size)
        before = self._by_stop.get(start)
        if before is not None:
            self._free.remove((start - before, before))
            self._forget(before, start - before)
            start, size = before, size + start - before
        after = self._by_start.get(start + size)
        if after is not None:
            self._free.remove((after, start + size))
            self._forget(start + size, after)
            size += after
        self._add(start, size)

    def _add(self, start: int, size: int) -> None:
        insort(self._free, (size, start))
        self._by_start[start] = size
        self._by_stop[start + size] = start

    def _forget(self, start: int, size: int) -> None:
        del self._by_start[start]
        del self._by_stop[start + size]


@dataclass(frozen=True)
class _Life:
    index: int
    size: int
    first: int
    last: int


def _lives(flow: Dataflow) -> list[_Life]:
    """First and last step that touches each temporary."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, step in enumerate(flow.steps):
        for index in step.touches:
            whole = flow.buffers[index].whole
            index = index if whole is None else whole
            if flow.buffers[index].role == "temporary":
                first.setdefault(index, position)
                last[index] = position
    return [_Life(i, _aligned(flow.buffers[i].size), first[i], last[i]) for i in first]


def plan_arena(flow: Dataflow) -> dict[int, int]:
    """Temporary -> offset, so that those alive at once do not overlap.

    Greedy by size: the largest first, each at the lowest offset that is free for its whole life
    (Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference, 2020, arXiv:2001.03288).
    """
    placed: list[tuple[_Life, int]] = []
    for life in sorted(_lives(flow), key=lambda one: (-one.size, one.first)):
        rivals = sorted(
            (offset, offset + other.size)
            for other, offset in placed
            if other.first <= life.last and life.first <= other.last
        )
        offset = 0
        for begin, end in rivals:
            if begin - offset >= life.size:
                break
            offset = max(offset, end)
        placed.append((life, offset))
    return {life.index: offset for life, offset in placed}


class Addresses:
    """Start address of every buffer while a dataflow is walked through, step by step.

    Args:
        flow: Its temporaries are placed as its `allocation` says; everything else stays where it is.
    """

    def __init__(self, flow: Dataflow) -> None:
        self._flow = flow
        self._start: dict[int, int] = {}
        end = _FIXED_BASE
        for index, buffer in enumerate(flow.buffers):
            if buffer.role != "temporary" and buffer.whole is None:
                self._start[index] = end
                end += _aligned(buffer.size)
        self._heap = Heap(_TEMPORARY_BASE)
        if flow.allocation == "arena":
            self._start.update({i: _TEMPORARY_BASE + offset for i, offset in plan_arena(flow).items()})

    def of(self, index: int) -> int:
        """Start address of a buffer; a temporary of a heap is allocated when first asked for."""
        buffer = self._flow.buffers[index]
        if buffer.whole is not None:
            return self.of(buffer.whole) + buffer.offset
        if index not in self._start:
            self._start[index] = self._heap.allocate(buffer.size)
        return self._start[index]

    def free(self, index: int) -> None:
        """The step that needed it last is done."""
        if self._flow.allocation == "heap" and index in self._start:
            self._heap.release(self._start.pop(index), self._flow.buffers[index].size)
