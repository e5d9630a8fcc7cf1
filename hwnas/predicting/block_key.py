"""The keys of ProxylessNAS and Once-for-All lookup tables: a block's shapes and numbers as one text.

| table | key |
|---|---|
| both | `Conv-input:224x224x3-output:112x112x32` |
| both | `Logits-input:7x7x1280-output:1000` |
| ProxylessNAS | `expanded_conv-input:56x56x24-output:56x56x24-expand:3-kernel:5-stride:1-idskip:1` |
| Once-for-All | `expanded_conv-input:56x56x24-output:56x56x24-expand:72-kernel:5-stride:1-idskip:1-se:0-hs:0` |

`Conv_1`, `Conv_2` and `AvgPool2D` have keys like those of `Conv`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from hwnas.core.errors import UsageError

_SHAPE = r"[1-9][0-9]*(?:x[1-9][0-9]*)*"
_KEY = re.compile(
    rf"(?P<kind>\w+)-input:(?P<input>{_SHAPE})-output:(?P<output>{_SHAPE})"
    r"(?:-expand:(?P<expand>[1-9][0-9]*)-kernel:(?P<kernel>[1-9][0-9]*)-stride:(?P<stride>[1-9][0-9]*)"
    r"-idskip:(?P<idskip>[01])(?:-se:(?P<se>[01])-hs:(?P<hs>[01]))?)?"
)
_PROXYLESSNAS = ("expand", "kernel", "stride", "idskip")
_ONCE_FOR_ALL = (*_PROXYLESSNAS, "se", "hs")
_FLAGS = ("idskip", "se", "hs")


@dataclass(frozen=True)
class BlockKey:
    """A block as lookup tables describe it; ``str()`` gives the key, :meth:`parse` the block.

    Args:
        kind: ``Conv``, ``expanded_conv`` (an inverted bottleneck), ``Conv_1``, ``Logits`` and the like.
        input_shape: Shape of the input ``(height, width, channels)``.
        output_shape: Shape of the output, ``(height, width, channels)`` or ``(features,)``.
        expand: Of an inverted bottleneck: the expansion ratio in tables of ProxylessNAS, the number of middle
            channels in those of Once-for-All.
        kernel: Size of its depthwise kernel.
        stride: Its stride.
        idskip: Whether a shortcut goes around it.
        se: Whether it has squeeze-and-excitation; Once-for-All only.
        hs: Whether its activation is h-swish; Once-for-All only.

    Raises:
        UsageError: The values form no key: one is missing or out of range.
    """

    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    expand: int | None = None
    kernel: int | None = None
    stride: int | None = None
    idskip: bool | None = None
    se: bool | None = None
    hs: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "output_shape", tuple(self.output_shape))
        given = tuple(name for name in _ONCE_FOR_ALL if getattr(self, name) is not None)
        if given not in ((), _PROXYLESSNAS, _ONCE_FOR_ALL):
            raise UsageError(
                f"a key of {self.kind} with {', '.join(given)}",
                f"Give none of them, {', '.join(_PROXYLESSNAS)}, or also se and hs",
            )
        if not _KEY.fullmatch(str(self)):
            raise UsageError(f"{str(self)!r} is no key of a block", "Give positive whole numbers")

    def __str__(self) -> str:
        parts = [self.kind, f"input:{_by(self.input_shape)}", f"output:{_by(self.output_shape)}"]
        for name in _ONCE_FOR_ALL:
            value = getattr(self, name)
            if value is not None:
                # Flags may come as True or 1.
                parts.append(f"{name}:{int(value) if name in _FLAGS else value}")
        return "-".join(parts)

    @classmethod
    def parse(cls, key: str) -> Self:
        """The block of a key; ``str()`` of it is the key again.

        Raises:
            UsageError: The text is no such key.
        """
        found = _KEY.fullmatch(key)
        if not found:
            raise UsageError(
                f"{key!r} is no key of a block", "Write it like Conv-input:224x224x3-output:112x112x32"
            )
        return cls(
            found["kind"],
            _sizes(found["input"]),
            _sizes(found["output"]),
            expand=_number(found["expand"]),
            kernel=_number(found["kernel"]),
            stride=_number(found["stride"]),
            idskip=_flag(found["idskip"]),
            se=_flag(found["se"]),
            hs=_flag(found["hs"]),
        )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "1"
