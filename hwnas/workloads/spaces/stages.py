"""What spaces of stages have in common: a stage has options of its own, and up to so many blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from hwnas.workloads.spaces.choice import Choice


class Stage(Protocol):
    """Options of one stage, as attributes; these are among them."""

    @property
    def depth(self) -> tuple[int, ...]:
        """Numbers of blocks."""


class Place(NamedTuple):
    """Where a part stands.

    Args:
        stage: From 0.
        block: In its stage, from 1; 0 for what leads into it.
    """

    stage: int
    block: int


def stage_choices(stages: Iterable[Stage], keys: Sequence[str]) -> Iterator[Choice]:
    """The choices of every stage, such as ``stage1.width``.

    Args:
        stages: From the first to the last.
        keys: Attributes of a stage that hold its options, in the order of the compact text.
    """
    for number, stage in enumerate(stages, 1):
        for key in keys:
            yield Choice(f"stage{number}.{key}", getattr(stage, key))


def block_places(stages: Iterable[Stage]) -> dict[str, Place]:
    """Every block that some architecture has, such as ``stage1_block2``, in order of execution."""
    return {
        f"stage{index + 1}_block{block}": Place(index, block)
        for index, stage in enumerate(stages)
        for block in range(1, max(stage.depth) + 1)
    }
