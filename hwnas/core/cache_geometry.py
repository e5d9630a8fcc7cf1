"""The shape of a cache: size, associativity and line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.units import format_bytes, parse_bytes

_EXAMPLE = "Write it like 4M,16,64 (size, ways, bytes of a line), or name one: {names}"
_LARGEST_BYTES = 2**40

#: Of the processors that most people have; headings and names of files tell other lines only.
USUAL_LINE_BYTES = 64


@dataclass(frozen=True)
class CacheGeometry:
    """A set-associative cache.

    Args:
        size_bytes: Capacity.
        ways: Lines in a set.
        line_bytes: Bytes in a line, a power of two.

    Raises:
        UsageError: The three do not describe a cache.
    """

    size_bytes: int
    ways: int
    line_bytes: int

    def __post_init__(self) -> None:
        if self.line_bytes < 16 or self.line_bytes & (self.line_bytes - 1):
            raise UsageError(f"cache line of {self.line_bytes} B", "Give a power of two, at least 16")
        if self.ways < 1:
            raise UsageError(f"cache of {self.ways} ways", "Give at least 1")
        if not 0 < self.size_bytes <= _LARGEST_BYTES or self.size_bytes % (self.ways * self.line_bytes):
            raise UsageError(
                f"a cache of {self.size_bytes} B cannot have {self.ways} ways and lines of {self.line_bytes} B",
                "The size must be a multiple of ways times line",
            )

    @property
    def sets(self) -> int:
        """Number of sets."""
        return self.size_bytes // (self.ways * self.line_bytes)

    @property
    def label(self) -> str:
        """For people: ``32 MiB, 16 ways, 64 B lines``."""
        return f"{format_bytes(self.size_bytes)}, {self.ways} ways, {self.line_bytes} B lines"

    @property
    def short_label(self) -> str:
        """The same, without lines of the usual size: ``32 MiB, 16 ways``."""
        return self.label if self.line_bytes != USUAL_LINE_BYTES else self.label.rpartition(", ")[0]

    def __str__(self) -> str:
        """``33554432,16,64``: how it is stored, and how valgrind wants it."""
        return f"{self.size_bytes},{self.ways},{self.line_bytes}"

    @classmethod
    def of(cls, text: str) -> CacheGeometry:
        """The geometry that :meth:`__str__` wrote.

        Raises:
            UsageError: It did not write this.
        """
        parts = text.split(",")
        if len(parts) != 3 or not all(_is_number(p) for p in parts):
            raise UsageError(f"{text!r} is not a cache geometry", "Give SIZE,WAYS,LINE in bytes")
        return cls(*map(int, parts))

    def with_power_of_two_sets(self) -> CacheGeometry:
        """This geometry, or the nearest power of two of sets, with ways for about the same size.

        Simulators index sets by address bits. The size changes where it is no multiple of those sets.
        """
        if self.sets & (self.sets - 1) == 0:
            return self
        sets = 2 ** round(math.log2(self.sets))
        ways = max(1, round(self.size_bytes / (sets * self.line_bytes)))
        return CacheGeometry(sets * ways * self.line_bytes, ways, self.line_bytes)


#: Last-level caches by name. The study states 4 MB for its Core i5-7600K; Intel lists 6 MB for that model.
NAMED_CACHES = {
    "paper": CacheGeometry(4 * 2**20, 16, 64),
    "i5-7600k": CacheGeometry(6 * 2**20, 12, 64),
}


def host_cache(environment: Environment) -> CacheGeometry | None:
    """The host's own last-level cache, or None where the operating system does not tell."""
    cache = environment.last_level_cache
    if cache is None or not cache.size_bytes or not cache.ways or not cache.line_bytes:
        return None
    # A cache with part of it switched off may not divide evenly; whole sets remain.
    whole = cache.size_bytes // (cache.ways * cache.line_bytes) * cache.ways * cache.line_bytes
    return CacheGeometry(whole, cache.ways, cache.line_bytes) if whole else None


def _is_number(text: str) -> bool:
    # Other scripts have digits that int() reads, or does not, as the case may be.
    return text.isascii() and text.isdecimal() and len(text) < 16


def check_cache(text: str) -> None:
    """Refuse what is no name of a cache and no geometry, on any host.

    Raises:
        UsageError: It cannot be read.
    """
    if text.strip().lower() != "host":
        _named_or_sized(text)


def parse_cache(text: str, environment: Environment) -> CacheGeometry:
    """A geometry from ``4M,16,64``, ``host`` or a name in :data:`NAMED_CACHES`.

    Args:
        text: As the user wrote it; names in any case.
        environment: For ``host``.

    Raises:
        UsageError: Not a geometry, or the host does not tell its own.
    """
    if text.strip().lower() == "host":
        found = host_cache(environment)
        if found is None:
            raise UsageError("this host does not tell the geometry of its last-level cache", _example())
        return found
    return _named_or_sized(text)


def _example() -> str:
    return _EXAMPLE.format(names=", ".join(("host", *NAMED_CACHES)))


def _named_or_sized(text: str) -> CacheGeometry:
    name = text.strip().lower()
    if name in NAMED_CACHES:
        return NAMED_CACHES[name]
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(_is_number(part) for part in parts[1:]):
        raise UsageError(f"cannot read the cache geometry {text!r}", _example())
    return CacheGeometry(parse_bytes(parts[0]), int(parts[1]), int(parts[2]))
