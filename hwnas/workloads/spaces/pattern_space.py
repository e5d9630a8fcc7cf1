"""Spaces of the study's design patterns: every stage is a stack of one of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from hwnas.core.workload import Scalar
from hwnas.workloads.patterns import Convolution, PatternStack, find_pattern
from hwnas.workloads.spaces.choice import Architecture, Choice
from hwnas.workloads.spaces.picture import drawn, either, pooled_head, side
from hwnas.workloads.spaces.space import Part, PartModule, Shape, Space
from hwnas.workloads.spaces.stages import Place, block_places, stage_choices

#: The choices of a stage, in the order of the compact text.
_KEYS = ("pattern", "width", "depth", "kernel")


@dataclass(frozen=True)
class PatternStage:
    """The options of one stage.

    Args:
        pattern: Names of patterns.
        width: Channels of the spatial convolution; the pattern says how many a block has outside.
        depth: Numbers of blocks; with 0 the stage is its entry alone.
        kernel: Sides of the spatial kernel.
    """

    pattern: tuple[str, ...]
    width: tuple[int, ...]
    depth: tuple[int, ...]
    kernel: tuple[int, ...]


@dataclass(frozen=True)
class PatternSpace(Space):
    """Stem, stages of blocks of one pattern each, pooling and a linear classifier.

    The stem writes what the first stage reads. Each later stage halves the resolution as it is entered.

    Args:
        stages: From the first to the last.
        stem_stride: 1, or 2 for large images.
        head: Channels of the 1 x 1 convolution before the last pooling; 0 for none.
        pattern_options: Values of patterns' own keys, such as ``("grouped", (("groups", 4),))``.
    """

    stages: tuple[PatternStage, ...]
    stem_stride: int = 1
    head: int = 0
    pattern_options: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()

    kind: ClassVar[str] = "patterns"

    def _choices(self) -> Iterator[Choice]:
        yield from stage_choices(self.stages, _KEYS)

    @cached_property
    def _places(self) -> dict[str, Place]:
        """Every part but the head."""
        blocks = block_places(self.stages)
        entries = {f"stage{i + 1}_entry" if i else "stem": Place(i, 0) for i in range(len(self.stages))}
        return dict(sorted({**entries, **blocks}.items(), key=lambda item: item[1]))

    def _parts(self) -> Iterator[Part]:
        for name, place in self._places.items():
            before = self._outside(place.stage - 1) if place.stage and not place.block else ()
            inside = (f"stage{place.stage + 1}.depth", f"stage{place.stage + 1}.kernel") if place.block else ()
            yield Part(name, (*before, *self._outside(place.stage), *inside))
        yield Part("head", self._outside(len(self.stages) - 1))

    @staticmethod
    def _outside(stage: int) -> tuple[str, str]:
        """The choices that say how many channels a stage's blocks read and write."""
        return (f"stage{stage + 1}.pattern", f"stage{stage + 1}.width")

    def stack(self, pattern: Scalar, width: Scalar, kernel: Scalar) -> PatternStack:
        """One block.

        Raises:
            UnknownName: No such pattern.
            UsageError: The pattern cannot have that width, that kernel or its options.
        """
        options = dict(dict(self.pattern_options).get(str(pattern), ()))
        return PatternStack(find_pattern(str(pattern)), 1, int(width), int(kernel), options=options)

    def _channels(self, stage: int, options: Architecture) -> int:
        """Channels between the blocks of a stage; the kernel does not matter."""
        pattern, width = (options[name] for name in self._outside(stage))
        return self.stack(pattern, width, self.stages[stage].kernel[0]).input_shape[1]

    def sides(self, stage: int) -> tuple[int, int]:
        """Height and width of the feature maps of a stage from 0."""
        _, *sides = self.input_shape
        height, width = (((s - 1) // self.stem_stride + 1) // 2**stage for s in sides)
        return height, width

    def _part_module(self, part: Part, options: Architecture) -> PartModule | None:
        from torch import nn

        from hwnas.workloads.spaces.layers import convolution, head, pooled_entry
        from hwnas.workloads.stack_module import stack_layers

        if part.name == "head":
            last = len(self.stages) - 1
            channels = self._channels(last, options)
            return PartModule(head(channels, self.head, self.classes), ((channels, *self.sides(last)),))
        index, block = self._places[part.name]
        channels = self._channels(index, options)
        shape: Shape = (channels, *self.sides(index))
        if block:
            pattern, width, depth, kernel = (options[f"stage{index + 1}.{key}"] for key in _KEYS)
            if block > int(depth):
                return None
            return PartModule(nn.Sequential(*stack_layers(self.stack(pattern, width, kernel))), (shape,))
        if index:
            before = self._channels(index - 1, options)
            return PartModule(pooled_entry(before, channels), ((before, *self.sides(index - 1)),))
        return PartModule(convolution(self.input_shape[0], channels, 3, self.stem_stride), (self.input_shape,))

    @cached_property
    def _first_alike(self) -> tuple[dict[tuple[Scalar, ...], tuple[Scalar, ...]], ...]:
        """For every stage: options -> the first options that build the same layers.

        Without blocks neither the kernel matters nor the pattern itself, only the number of channels; and a
        pattern's own options may make it another one.
        """
        tables = []
        for stage in self.stages:
            first: dict[tuple[int, int | tuple[Convolution, ...]], tuple[Scalar, ...]] = {}
            table: dict[tuple[Scalar, ...], tuple[Scalar, ...]] = {}
            for chosen in itertools.product(*(getattr(stage, key) for key in _KEYS)):
                pattern, width, depth, kernel = chosen
                stack = self.stack(pattern, width, kernel)
                built = (depth, stack.block if depth else stack.input_shape[1])
                table[chosen] = first.setdefault(built, chosen)
            tables.append(table)
        return tuple(tables)

    def count(self) -> int:
        """How many different architectures there are: those that :meth:`canonical` leaves as they are."""
        return math.prod(len(set(table.values())) for table in self._first_alike)

    def canonical(self, architecture: Architecture) -> dict[str, Scalar]:
        """The architecture that stands for all those with the same network, its choices in order.

        Raises:
            UnknownName: A choice or option that the space does not have.
            UsageError: A choice without an option.
        """
        whole = super().canonical(architecture)
        for number, table in enumerate(self._first_alike, 1):
            chosen = table[tuple(whole[f"stage{number}.{key}"] for key in _KEYS)]
            whole.update({f"stage{number}.{key}": o for key, o in zip(_KEYS, chosen, strict=True)})
        return whole

    def picture(self) -> str:
        """The network drawn in text, a few lines of at most 80 characters."""
        rows = []
        for index, stage in enumerate(self.stages):
            if index:
                rows.append(("entry", "2x2 average pooling, 1x1 convolution", side(*self.sides(index))))
            blocks = f"{either(stage.depth)} blocks of one of {len(stage.pattern)} patterns"
            rows.append((f"stage {index + 1}", blocks, side(*self.sides(index))))
            rows.append(("", f"  width {either(stage.width)}, kernel {either(stage.kernel)}", ""))
        stem = (f"3x3 convolution, stride {self.stem_stride}", side(*self.sides(0)))
        return drawn(self.input_shape, stem, rows, pooled_head(self.head), self.classes)
