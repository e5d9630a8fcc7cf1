"""Which cache misses a campaign counts: by what source, on which caches, for which cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hwnas.backends.protocol import computing_device
from hwnas.core.cache_geometry import NAMED_CACHES, CacheGeometry, host_cache, parse_cache
from hwnas.core.counter import LLC_MISSES, SOURCES, Counter
from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.host.counters import CounterSource, callgrind_source, pmu_source

#: What a user may ask for. ``auto``: the processor's own counters where it has them, and the model.
CHOICES = ("auto", *SOURCES, "off")

#: Source and cache geometry of a count.
CountKind = tuple[str, str | None]

_NEEDED: Mapping[str, Callable[[], CounterSource]] = {"pmu": pmu_source, "callgrind": callgrind_source}


@dataclass(frozen=True)
class CacheMisses:
    """What a campaign is asked to count.

    Args:
        source: One of :data:`CHOICES`.
        caches: Geometries for ``callgrind`` and ``model``, as :func:`parse_cache` reads them.
        callgrind_sample: Workloads that are simulated under callgrind as well, unless `source` is ``off``.

    Raises:
        UnknownName: No such source.
        UsageError: No cache is named.
    """

    source: str = "auto"
    caches: tuple[str, ...] = ("host",)
    callgrind_sample: tuple[Workload, ...] = ()

    def __post_init__(self) -> None:
        if self.source not in CHOICES:
            raise UnknownName("source of cache misses", self.source, CHOICES)
        if not self.caches:
            raise UsageError("no cache to count misses for", "Name one, such as host or 4M,16,64")

    def on(self, environment: Environment) -> Counting:
        """What that means on a host.

        Raises:
            UsageError: A source was asked for by name and is missing here, or a geometry cannot be read.
        """
        if self.source == "off":
            return Counting()
        if self.source == "auto":
            sources: tuple[str, ...] = ("pmu", "model") if pmu_source().available else ("model",)
        else:
            sources = (self.source,)
            found = _NEEDED[self.source]() if self.source in _NEEDED else None
            if found is not None and not found.available:
                raise UsageError(f"no cache misses by {self.source} here: {found.detail}", found.remedy)
        return Counting(sources, _geometries(self.caches, environment), self.callgrind_sample)


def _geometries(caches: Sequence[str], environment: Environment) -> tuple[CacheGeometry, ...]:
    # A host that does not tell its cache gets the study's: better a named geometry than none.
    unknown = host_cache(environment) is None
    found = [NAMED_CACHES["paper"] if unknown and c == "host" else parse_cache(c, environment) for c in caches]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Counting:
    """What is counted on this host.

    Args:
        sources: Of :data:`SOURCES`, for every cell.
        caches: Geometries to simulate.
        callgrind_sample: Workloads simulated under callgrind as well.
    """

    sources: tuple[str, ...] = ()
    caches: tuple[CacheGeometry, ...] = ()
    callgrind_sample: tuple[Workload, ...] = ()

    @property
    def in_worker(self) -> tuple[str, ...]:
        """The sources that need the network's own process."""
        return tuple(s for s in self.sources if s != "callgrind")

    def wanted(self, workload: Workload, backend_id: str) -> list[CountKind]:
        """Every count that a cell can have: other devices than the processor have no caches to simulate."""
        found: list[CountKind] = [("pmu", None)] if "pmu" in self.sources else []
        if computing_device(backend_id) != "cpu":
            return found
        if "model" in self.sources:
            found += [("model", str(g)) for g in self.caches]
        if "callgrind" in self.sources or workload in self.callgrind_sample:
            simulated = dict.fromkeys(str(g.with_power_of_two_sets()) for g in self.caches)
            found += [("callgrind", g) for g in simulated]
        return found


def not_counted(kinds: Iterable[CountKind], threads: int, reason: str) -> tuple[Counter, ...]:
    """What is stored of counts that failed.

    Args:
        kinds: Source and geometry of each.
        threads: Of the arm.
        reason: For people.
    """
    return tuple(
        Counter(LLC_MISSES, None, source, geometry, threads, None, reason) for source, geometry in kinds
    )
