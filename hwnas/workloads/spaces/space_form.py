"""What the files of all kinds of spaces have in common, and the types that their keys share."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from hwnas.core.errors import UnknownName
from hwnas.core.yaml_form import Form, fault
from hwnas.workloads.spaces.space import Space

#: Larger numbers of channels, pixels or classes are mistakes: no computer holds such layers.
_LARGEST_SIZE = 65_536
_LARGEST_KERNEL = 31

#: Blocks of a stage, or cells, which are parts of their own.
MOST_LAYERS = 64


def integers(smallest: int, largest: int) -> PlainValidator:
    """A validator for the options of a choice: an integer, or a list of different ones."""

    def check(value: Any) -> tuple[int, ...]:
        values = value if isinstance(value, list) else [value]
        if not values or any(type(v) is not int or not smallest <= v <= largest for v in values):
            raise PydanticCustomError(
                "integers",
                "should be an integer from {smallest} to {largest}, or a list of such",
                {"smallest": smallest, "largest": largest},
            )
        return _distinct(values)

    return PlainValidator(check)


def names(what: str, known: Callable[[], Iterable[str]]) -> PlainValidator:
    """A validator for the options of a choice: a list of different names, all of those that `known` gives."""

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or any(not isinstance(v, str) for v in value):
            raise PydanticCustomError("names", "should be a list of names")
        accepted = list(known())
        for index, name in enumerate(value):
            if name not in accepted:
                raise fault(UnknownName(what, name, accepted), index)
        return _distinct(value)

    return PlainValidator(check)


def _switches(value: Any) -> tuple[bool, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or any(not isinstance(v, bool) for v in values):
        raise PydanticCustomError("switches", "should be true, false, or a list of both")
    return _distinct(values)


def _distinct(values: list[Any]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "names an option twice")
    return tuple(values)


def _odd(kernels: tuple[int, ...]) -> tuple[int, ...]:
    if any(kernel % 2 == 0 for kernel in kernels):
        raise PydanticCustomError("odd", "should be odd: even kernels exclude same padding")
    return kernels


def _image(value: Any) -> tuple[int, int, int]:
    sizes = re.findall("[0-9]{1,5}", value) if isinstance(value, str) else []
    found = [int(size) for size in sizes]
    if len(found) != 3 or "x".join(map(str, found)) != value or not all(1 <= s <= _LARGEST_SIZE for s in found):
        raise PydanticCustomError("image", "should be channels, height and width, such as 3x32x32")
    channels, height, width = found
    return (channels, height, width)


#: Options of a choice.
Widths = Annotated[tuple[int, ...], integers(1, _LARGEST_SIZE)]
Kernels = Annotated[tuple[int, ...], integers(1, _LARGEST_KERNEL), AfterValidator(_odd)]
Switches = Annotated[tuple[bool, ...], PlainValidator(_switches)]

#: Channels of a layer; of one that may be missing, 0 where it does; cells.
Channels = Annotated[int, Field(ge=1, le=_LARGEST_SIZE)]
Features = Annotated[int, Field(ge=0, le=_LARGEST_SIZE)]
Layers = Annotated[int, Field(ge=1, le=MOST_LAYERS)]

_Image = Annotated[tuple[int, int, int], PlainValidator(_image)]


class SpaceForm(Form):
    """The keys of every space.

    A kind of space adds its own, and says how a space is made of them.

    Args:
        kind: Of the space.
        title: One line for people.
        input: ``(channels, height, width)`` of an image; a file writes ``3x32x32``.
        classes: Scores that a network gives for an image.
    """

    kind: str
    title: str = ""
    input: _Image
    classes: int = Field(ge=2, le=_LARGEST_SIZE)

    #: The key that holds the options; it is named where they are too many.
    main_key: ClassVar[str] = "kind"

    @abstractmethod
    def space(self, name: str) -> Space:
        """The space that the file describes.

        Args:
            name: Of the space.
        """
