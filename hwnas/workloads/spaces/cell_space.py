"""What spaces of cells have in common: every edge of a cell is one of some operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import model_validator

from hwnas.core.errors import UsageError
from hwnas.core.yaml_form import fault
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_form import Channels, Layers, SpaceForm


@dataclass(frozen=True)
class CellSpace(Space):
    """Networks of cells.

    Args:
        channels: Of the first cells.
        cells: How many; what they are counted by is the space's.
        operators: What an edge may be.
    """

    channels: int
    cells: int
    operators: tuple[str, ...]


class CellSpaceForm(SpaceForm):
    """The keys of spaces of cells.

    Args:
        channels: Of the first cells.
        cells: How many.
        operators: What an edge may be.
    """

    channels: Channels
    cells: Layers
    operators: tuple[str, ...]

    main_key: ClassVar[str] = "operators"
    #: The spaces that such files describe.
    made: ClassVar[type[CellSpace]]
    #: What halves the sides of images twice.
    reductions: ClassVar[str]

    @model_validator(mode="after")
    def _sides_are_halved_twice(self) -> CellSpaceForm:
        if any(size % 4 for size in self.input[1:]):
            error = UsageError(
                f"two {self.reductions} halve the sides of images, which are not multiples of 4 here",
                "Give an input such as 3x32x32",
            )
            raise fault(error, "input")
        return self

    def space(self, name: str) -> CellSpace:
        """The space that the file describes.

        Args:
            name: Of the space.
        """
        return self.made(
            name=name,
            title=self.title,
            input_shape=self.input,
            classes=self.classes,
            channels=self.channels,
            cells=self.cells,
            operators=self.operators,
        )
