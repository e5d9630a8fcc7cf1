"""Spaces of inverted residual blocks, after MobileNetV2 and MnasNet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hwnas.core.yaml_form import Form
from hwnas.workloads.spaces.choice import Architecture, Choice
from hwnas.workloads.spaces.picture import drawn, either, pooled_head, side
from hwnas.workloads.spaces.space import Part, PartModule, Space
from hwnas.workloads.spaces.space_form import (
    MOST_LAYERS,
    Channels,
    Features,
    Kernels,
    SpaceForm,
    Switches,
    Widths,
    integers,
)
from hwnas.workloads.spaces.stages import Place, block_places, stage_choices

#: The choices of a stage, in the order of the compact text.
_KEYS = ("width", "depth", "kernel", "expansion", "se")
_LARGEST_EXPANSION = 64
_MOST_STAGES = 16


@dataclass(frozen=True)
class MBConvStage:
    """The options of one stage.

    Args:
        stride: Of its first block, 1 or 2.
        width: Channels that its blocks write.
        depth: Numbers of blocks, at least one.
        kernel: Sides of the depthwise kernels.
        expansion: Depthwise channels for each one that a block reads.
        se: Whether blocks have squeeze-and-excitation.
    """

    stride: int
    width: tuple[int, ...]
    depth: tuple[int, ...]
    kernel: tuple[int, ...]
    expansion: tuple[int, ...]
    se: tuple[bool, ...]


@dataclass(frozen=True)
class MBConvSpace(Space):
    """Stem, stages of inverted residual blocks, 1 x 1 convolution, pooling and a linear classifier.

    Args:
        stages: From the first to the last.
        stem: Channels of the first convolution.
        stem_stride: 1, or 2 for large images.
        head: Channels of the 1 x 1 convolution before the last pooling; 0 for none.
    """

    stages: tuple[MBConvStage, ...]
    stem: int
    stem_stride: int = 1
    head: int = 0

    kind: ClassVar[str] = "mbconv"

    def _choices(self) -> Iterator[Choice]:
        yield from stage_choices(self.stages, _KEYS)

    @cached_property
    def _places(self) -> dict[str, Place]:
        """Every part but stem and head."""
        return block_places(self.stages)

    def _parts(self) -> Iterator[Part]:
        yield Part("stem")
        for name, (index, block) in self._places.items():
            stage = f"stage{index + 1}"
            # The first block always runs, and reads what the stage before wrote; others depend on the depth.
            if block > 1:
                outside: tuple[str, ...] = (f"{stage}.depth",)
            else:
                outside = (f"stage{index}.width",) if index else ()
            yield Part(name, (*outside, *(f"{stage}.{key}" for key in _KEYS if key != "depth")))
        yield Part("head", (f"stage{len(self.stages)}.width",))

    def _sides(self, strides: int) -> tuple[int, int]:
        """Height and width behind the stem and the first blocks of so many stages."""
        _, *sides = self.input_shape
        for stride in (self.stem_stride, *(stage.stride for stage in self.stages[:strides])):
            sides = [(size - 1) // stride + 1 for size in sides]
        height, width = sides
        return height, width

    def _part_module(self, part: Part, options: Architecture) -> PartModule | None:
        from hwnas.workloads.spaces.layers import convolution, head
        from hwnas.workloads.spaces.mbconv_block import InvertedResidual

        if part.name == "stem":
            stem = convolution(self.input_shape[0], self.stem, 3, self.stem_stride, activation="relu6")
            return PartModule(stem, (self.input_shape,))
        if part.name == "head":
            channels = int(options[f"stage{len(self.stages)}.width"])
            scores = head(channels, self.head, self.classes, activation="relu6")
            return PartModule(scores, ((channels, *self._sides(len(self.stages))),))
        index, block = self._places[part.name]
        stage = f"stage{index + 1}"
        if block > int(options.get(f"{stage}.depth", block)):
            return None
        width, kernel, expansion = (int(options[f"{stage}.{key}"]) for key in ("width", "kernel", "expansion"))
        first = block == 1
        before = width
        if first:
            before = int(options[f"stage{index}.width"]) if index else self.stem
        stride = self.stages[index].stride if first else 1
        module = InvertedResidual(
            before, width, kernel, stride, expansion, squeeze=bool(options[f"{stage}.se"])
        )
        return PartModule(module, ((before, *self._sides(index if first else index + 1)),))

    def picture(self) -> str:
        """The network drawn in text, a few lines of at most 80 characters."""
        rows = []
        for index, stage in enumerate(self.stages):
            blocks = f"{either(stage.depth)} blocks, stride {stage.stride}, width {either(stage.width)}"
            rows.append((f"stage {index + 1}", blocks, side(*self._sides(index + 1))))
            inside = f"  kernel {either(stage.kernel)}, expansion {either(stage.expansion)}"
            rows.append(("", f"{inside}, se {either(stage.se)}", ""))
        stem = (f"3x3 convolution to {self.stem}, stride {self.stem_stride}", side(*self._sides(0)))
        return drawn(self.input_shape, stem, rows, pooled_head(self.head), self.classes)


class _Stage(Form):
    stride: Literal[1, 2] = 1
    width: Widths
    depth: Annotated[tuple[int, ...], integers(1, MOST_LAYERS)]
    kernel: Kernels = (3,)
    expansion: Annotated[tuple[int, ...], integers(1, _LARGEST_EXPANSION)]
    se: Switches = (False,)


class MBConvSpaceForm(SpaceForm):
    """Files of the kind ``mbconv``.

    Args:
        stem: Channels of the first convolution.
        stem_stride: 1, or 2 for large images.
        head: Channels of the 1 x 1 convolution before the last pooling; 0 for none.
        stages: From the first to the last.
    """

    stem: Channels
    stem_stride: Literal[1, 2] = 1
    head: Features = 0
    stages: list[_Stage] = Field(min_length=1, max_length=_MOST_STAGES)

    main_key: ClassVar[str] = "stages"

    def space(self, name: str) -> MBConvSpace:
        """The space that the file describes.

        Args:
            name: Of the space.
        """
        return MBConvSpace(
            name=name,
            title=self.title,
            input_shape=self.input,
            classes=self.classes,
            stages=tuple(
                MBConvStage(s.stride, s.width, s.depth, s.kernel, s.expansion, s.se) for s in self.stages
            ),
            stem=self.stem,
            stem_stride=self.stem_stride,
            head=self.head,
        )
