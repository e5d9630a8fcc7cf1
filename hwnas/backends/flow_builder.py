"""Collects the buffers and steps of a dataflow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hwnas.core.dataflow import Allocation, Buffer, Dataflow, Role, Step


class FlowBuilder:
    """A dataflow in the making; buffers are known by their index."""

    def __init__(self) -> None:
        self._buffers: list[Buffer] = []
        self._steps: list[Step] = []
        self._parts: dict[tuple[int, int, int], int] = {}

    def buffer(self, size: int, role: Role = "temporary") -> int:
        """A new piece of memory of `size` bytes."""
        self._buffers.append(Buffer(size, role))
        return len(self._buffers) - 1

    def size(self, index: int) -> int:
        """Bytes of a buffer or part."""
        return self._buffers[index].size

    def part(self, whole: int, offset: int, size: int) -> int:
        """`size` bytes of a buffer from `offset` on; the buffer itself where that is all of it."""
        if (offset, size) == (0, self._buffers[whole].size):
            return whole
        key = whole, offset, size
        if key not in self._parts:
            self._parts[key] = len(self._buffers)
            self._buffers.append(Buffer(size, self._buffers[whole].role, whole, offset))
        return self._parts[key]

    def step(
        self,
        type_: str,
        reads: Iterable[int],
        writes: Iterable[int],
        frees: Iterable[int] = (),
        *,
        source: str = "",
    ) -> None:
        """One kernel; see :class:`~hwnas.core.dataflow.Step`."""
        self._steps.append(Step(source or type_, type_, tuple(reads), tuple(writes), tuple(frees), source))

    def free(self, indices: Iterable[int]) -> None:
        """Let temporaries go with the newest step."""
        if self._steps:
            self._steps[-1] = replace(self._steps[-1], frees=(*self._steps[-1].frees, *indices))

    def finish(self, allocation: Allocation) -> Dataflow:
        """What was collected."""
        return Dataflow(tuple(self._buffers), tuple(self._steps), allocation)
