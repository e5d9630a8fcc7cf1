"""Whether inputs fit into memory, told before they are made: Linux kills what asks for too much."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.units import format_bytes
from hwnas.host.memory import available_memory_bytes
from hwnas.measuring.settings import Settings
from hwnas.workloads.patterns import FLOAT_BYTES
from hwnas.workloads.randomness import MOST_VALUES


def check_input_memory(
    shapes: Iterable[tuple[int, ...]], hint: str = "Give a smaller --batch or --input"
) -> None:
    """Refuse inputs that take more memory than a cell of a campaign may, of what is available now.

    A campaign expects the whole cell's memory. Where a network is listed or built, but not run, its activations
    take none: what is counted here is a lower bound.

    Args:
        shapes: Of float32 tensors that are there at the same time, batch first.
        hint: The way out.

    Raises:
        OutOfMemory: They do not fit.
        UsageError: No computer counts so many values.
    """
    given = list(shapes)
    values = sum(map(math.prod, given))
    if values >= MOST_VALUES:
        raise UsageError(f"there are too many values in {_named(given)}", hint)
    needed, free = FLOAT_BYTES * values, int(available_memory_bytes() * Settings.memory_fraction)
    if needed > free:
        raise OutOfMemory(
            f"{_named(given)} would need {format_bytes(needed)} of memory, and {format_bytes(free)} may be "
            "used",
            hint,
        )


def _named(shapes: Sequence[tuple[int, ...]]) -> str:
    if len(shapes) > 1:
        return f"{len(shapes)} inputs of parts of networks"
    return f"an input of shape {'x'.join(map(str, shapes[0]))}"
