"""What a figure can show of a cell, and on which axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hwnas.core.cache_geometry import USUAL_LINE_BYTES, CacheGeometry
from hwnas.core.units import format_bytes
from hwnas.report.cells import Cell


@dataclass(frozen=True)
class Quantity:
    """A number of each cell.

    Args:
        name: Ends the names of files; empty for latency, the figure's first meaning.
        title: Begins the figure's title.
        label: Of the axis, with its unit.
        scale_note: What the subtitle says of the scale.
        read: Value with the ends of its interval, or None where the cell has none above zero.
        is_zero: Whether the value is zero, which no logarithmic axis reaches.
        zero_means: What a zero says, for the legend.
    """

    name: str
    title: str
    label: str
    scale_note: str
    read: Callable[[Cell], tuple[float, float, float] | None]
    is_zero: Callable[[Cell], bool] = lambda cell: False
    zero_means: str = ""


def _latency(cell: Cell) -> tuple[float, float, float] | None:
    e = cell.estimate
    if e is None:
        return None
    scale = 1e3 / cell.workload.batch
    return e.latency_s * scale, e.low_s * scale, e.high_s * scale


LATENCY = Quantity(
    name="",
    title="Latency",
    label="latency per image [ms]",
    scale_note="Lower is faster; logarithmic scale, shared by all panels. Bands: 95 % intervals.",
    read=_latency,
)


def count_of(source: str, geometry: str | None) -> Callable[[Cell], float | None]:
    """Reads the misses of one inference of the batch; None where that source did not count on that cache."""

    def misses(cell: Cell) -> float | None:
        counts = [c.value for c in cell.cache_misses if (c.source, c.geometry) == (source, geometry)]
        return counts[0] if counts else None

    return misses


def cache_misses(source: str, geometry: str | None) -> Quantity:
    """Last-level-cache misses of one inference, per image, by one source on one cache."""
    misses = count_of(source, geometry)

    def read(cell: Cell) -> tuple[float, float, float] | None:
        found = misses(cell)
        return (found / cell.workload.batch,) * 3 if found else None

    where = "_".join([source, *([cache_size(geometry)] if geometry else [])])
    return Quantity(
        name=f"_misses_{where}",
        title=f"Last-level-cache misses ({source}, {cache_label(geometry)})",
        label="misses per image",
        scale_note="Fewer is better; logarithmic scale, shared by all panels.",
        read=read,
        is_zero=lambda cell: misses(cell) == 0,
        zero_means="none: everything stays in the cache",
    )


def cache_label(geometry: str | None) -> str:
    """A cache for people: ``32 MiB, 16 ways, 64 B lines``."""
    if geometry is None:
        return "the processor's own cache"
    return CacheGeometry.of(geometry).label


def cache_size(geometry: str) -> str:
    """A cache for names of files: ``32MiB-16way``, with the line where it is not the usual one."""
    cache = CacheGeometry.of(geometry)
    line = "" if cache.line_bytes == USUAL_LINE_BYTES else f"-{cache.line_bytes}B"
    return f"{format_bytes(cache.size_bytes).replace(' ', '')}-{cache.ways}way{line}"


def quantities(cells: Iterable[Cell]) -> list[Quantity]:
    """Latency, and misses by each source and cache for which there is a value."""
    kinds = dict.fromkeys((m.source, m.geometry) for c in cells for m in c.cache_misses if m.value)
    return [LATENCY, *(cache_misses(*kind) for kind in kinds)]
