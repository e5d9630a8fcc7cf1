"""Files of the kind ``patterns``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.yaml_form import Form, fault
from hwnas.workloads.patterns import PATTERNS
from hwnas.workloads.spaces.pattern_space import PatternSpace, PatternStage
from hwnas.workloads.spaces.space_form import (
    MOST_LAYERS,
    Features,
    Kernels,
    SpaceForm,
    Widths,
    integers,
    names,
)

_MOST_STAGES = 8
_Patterns = Annotated[tuple[str, ...], names("pattern", lambda: PATTERNS)]
_Depths = Annotated[tuple[int, ...], integers(0, MOST_LAYERS)]


class _Stage(Form):
    width: Widths
    depth: _Depths
    kernel: Kernels = (3,)
    patterns: _Patterns | None = None


class PatternSpaceForm(SpaceForm):
    """A space whose stages are stacks of design patterns.

    Args:
        patterns: The options of every stage that does not name its own.
        options: Pattern -> its own keys, such as ``groups`` of ``grouped``; absent ones take its defaults.
        stem_stride: 1, or 2 for large images.
        head: Channels of the 1 x 1 convolution before the last pooling; 0 for none.
        stages: From the first to the last.
    """

    patterns: _Patterns
    options: dict[str, dict[str, Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    stem_stride: Literal[1, 2] = 1
    head: Features = 0
    stages: list[_Stage] = Field(min_length=1, max_length=_MOST_STAGES)

    main_key: ClassVar[str] = "stages"

    @model_validator(mode="after")
    def _every_block_can_be_built(self) -> PatternSpaceForm:
        for pattern, keys in self.options.items():
            if pattern not in PATTERNS:
                raise fault(UnknownName("pattern", pattern, PATTERNS), "options", pattern)
            for key in keys:
                if key not in PATTERNS[pattern].options:
                    error = UnknownName(f"key of the pattern {pattern}", key, PATTERNS[pattern].options)
                    raise fault(error, "options", pattern, key)
        for index, stage in enumerate(self.stages):
            for pattern in stage.patterns or self.patterns:
                self._check_blocks(index, pattern)
        if min(self.space("").sides(len(self.stages) - 1)) < 1:
            _, height, width = self.input
            raise fault(
                UsageError(
                    f"nothing is left of images of {height}x{width} in stage {len(self.stages)}",
                    "Give a larger input or fewer stages",
                ),
                "input",
            )
        return self

    def _check_blocks(self, index: int, pattern: str) -> None:
        space, stage = self.space(""), self.stages[index]
        for width in stage.width:
            try:
                channels = {space.stack(pattern, width, kernel).input_shape[1] for kernel in stage.kernel}
            except UsageError as error:
                told = UsageError(f"pattern {pattern}: {error.message}", error.hint)
                raise fault(told, "stages", index, "width") from error
            if len(channels) > 1:
                told = UsageError(
                    f"blocks of the pattern {pattern} have other channels for other kernels",
                    "Give the stage one kernel",
                )
                raise fault(told, "stages", index, "kernel")

    def space(self, name: str) -> PatternSpace:
        """The space that the file describes.

        Args:
            name: Of the space.
        """
        return PatternSpace(
            name=name,
            title=self.title,
            input_shape=self.input,
            classes=self.classes,
            stages=tuple(
                PatternStage(stage.patterns or self.patterns, stage.width, stage.depth, stage.kernel)
                for stage in self.stages
            ),
            stem_stride=self.stem_stride,
            head=self.head,
            pattern_options=tuple(
                (pattern, tuple(sorted(keys.items()))) for pattern, keys in sorted(self.options.items())
            ),
        )
