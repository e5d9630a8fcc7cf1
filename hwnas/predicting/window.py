"""How the window of a convolution or pooling moves over its input, in one, two or three dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

#: Dimensions in the name of a type, such as ``conv_transpose2d``; OpenVINO's names do not tell them.
_TOLD = re.compile(r"([123])d(?![a-z0-9])")


class Window(NamedTuple):
    """Sizes and steps, one number a dimension; a sequence counts as an image of height 1.

    Args:
        size: Of the window.
        stride: Between its places.
        padding: Around the input.
        dilation: Between its elements.
        more: What a transposed convolution writes beyond that.
        same: Whether the output is as large as the input.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    more: tuple[int, ...]
    same: bool

    @classmethod
    def of(cls, attributes: Mapping[str, Any], dimensions: int, weights: Sequence[int] = ()) -> Self:
        """Read a kernel's attributes.

        Args:
            attributes: What its runtime tells.
            dimensions: In which the window moves.
            weights: Shape of a convolution's weights, where it has any; the window comes last in it.
        """
        told = len(weights) >= dimensions + 2
        return cls(
            size=_numbers(weights[-dimensions:] if told else attributes.get("kernel"), 1, dimensions),
            stride=_numbers(attributes.get("stride"), 1, dimensions),
            padding=_numbers(attributes.get("padding"), 0, dimensions),
            dilation=_numbers(attributes.get("dilation"), 1, dimensions),
            more=_numbers(attributes.get("output_padding"), 0, dimensions),
            same=attributes.get("padding") == "same",
        )

    def output(self, sizes: Sequence[int], *, transposed: bool) -> tuple[int, ...]:
        """Sizes of what it makes of an input of these sizes; one number a dimension.

        Source: the formulas in PyTorch's documentation of `nn.Conv2d` and `nn.ConvTranspose2d`.
        """
        if self.same:
            return tuple(sizes)
        found = []
        for place, size in enumerate(sizes, -len(sizes)):
            reach = self.dilation[place] * (self.size[place] - 1) + 1
            if transposed:
                length = (size - 1) * self.stride[place] - 2 * self.padding[place] + reach + self.more[place]
            else:
                length = (size + 2 * self.padding[place] - reach) // self.stride[place] + 1
            found.append(max(1, length))
        return tuple(found)


def dimensions_of(type_: str, inputs: Sequence[Sequence[int]]) -> int:
    """Dimensions that the window of a convolution or pooling moves in.

    Args:
        type_: The runtime's operator type.
        inputs: Shapes of its inputs, batch first.
    """
    told = _TOLD.search(type_)
    if told is not None:
        return int(told[1])
    return max(1, len(inputs[0]) - 2) if inputs else 2


def tells_dimensions(type_: str) -> bool:
    """Whether an operator type says how many dimensions its window moves in."""
    return _TOLD.search(type_) is not None


def _numbers(value: Any, default: int, dimensions: int) -> tuple[int, ...]:
    """One a dimension, and at least two, of what a runtime gives as one number, as several, or not at all."""
    if isinstance(value, int):
        found = (value,) * dimensions
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        found = tuple(int(v) for v in value)
        found = found * dimensions if len(found) == 1 else found[-dimensions:]
    else:
        found = (default,) * dimensions
    return found if len(found) > 1 else (default, *found)
