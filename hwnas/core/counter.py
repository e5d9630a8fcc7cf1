"""One counted event of one inference, with where the number comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: What every source counts: transfers from memory into the last-level cache.
LLC_MISSES = "llc-misses"

_PART = f"{LLC_MISSES} of "


def misses_of(kind: str) -> str:
    """The event that counts the misses of one kind of operator: ``llc-misses of activation``."""
    return f"{_PART}{kind}"


def operator_of(event: str) -> str | None:
    """The kind of operator of such an event, or None for any other."""
    return event.removeprefix(_PART) if event.startswith(_PART) else None


#: Sources, the most direct one first.
SOURCES = ("pmu", "callgrind", "model")


@dataclass(frozen=True)
class Counter:
    """Events in one inference of the whole batch. Values of different sources are never averaged.

    Args:
        event: :data:`LLC_MISSES`, or a counter's own name such as ``instructions``.
        value: Events in one inference, or None where they could not be counted.
        source: ``pmu``, ``callgrind`` or ``model``.
        geometry: Cache that was simulated, ``size,ways,line`` in bytes; None for a real one.
        threads: Threads of the arm while it was counted.
        accesses: Accesses that reached this cache, or None where the source does not tell.
        reason: Why `value` is None, or what qualifies it; else empty.
    """

    event: str
    value: float | None
    source: str
    geometry: str | None
    threads: int
    accesses: float | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the counter back."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Counter:
        """Rebuild from :meth:`to_dict`."""
        return cls(**data)


def cache_misses(counters: Iterable[Counter]) -> tuple[Counter, ...]:
    """The last-level-cache misses among counters of one cell: one for each source and geometry.

    Where a source counted twice, the first that has a value counts: they are never averaged.
    """
    found: dict[tuple[str, str | None], Counter] = {}
    for counter in (c for c in counters if c.event == LLC_MISSES):
        place = counter.source, counter.geometry
        if place not in found or found[place].value is None:
            found[place] = counter
    return tuple(sorted(found.values(), key=_order))


def _order(counter: Counter) -> tuple[int, int]:
    # Another version's source may be one that this one does not know.
    place = SOURCES.index(counter.source) if counter.source in SOURCES else len(SOURCES)
    size = int(counter.geometry.partition(",")[0]) if counter.geometry else 0
    return place, size
