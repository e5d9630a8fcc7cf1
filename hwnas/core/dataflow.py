"""What a compiled network reads and writes: its buffers, and the steps that touch them in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``weight``: constant between inferences. ``input`` and ``output``: owned by the caller, in
#: place for every inference. ``temporary``: allocated for a step or for the steps that use it.
Role = Literal["weight", "input", "output", "temporary"]

#: ``heap``: temporaries are allocated and freed while the network runs, as in eager PyTorch.
#: ``arena``: their places were planned when the network was compiled.
Allocation = Literal["heap", "arena"]


@dataclass(frozen=True)
class Buffer:
    """A piece of memory.

    Args:
        size: Bytes.
        role: Whom it belongs to and how long it lives.
        whole: Index of the buffer of which it is a part, or None. A part lives as long as its whole, which
            is no part itself.
        offset: Where the part begins [bytes].
    """

    size: int
    role: Role
    whole: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class Step:
    """One kernel's use of memory.

    Args:
        name: For people.
        type: Operator type, for example ``convolution``.
        reads: Indices of the buffers it reads.
        writes: Indices of the buffers it writes; one that is also read is updated in place.
        frees: Temporaries that nobody needs after it.
        source: Name of the network's operator that this step serves.
    """

    name: str
    type: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    frees: tuple[int, ...] = ()
    source: str = ""

    @property
    def touches(self) -> tuple[int, ...]:
        """Every buffer that it reads or writes, once: what is updated in place is touched once."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))


@dataclass(frozen=True)
class Dataflow:
    """All memory traffic of one inference, before any cache.

    Args:
        buffers: By index.
        steps: In order of execution.
        allocation: How temporaries get their addresses.
    """

    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    allocation: Allocation
