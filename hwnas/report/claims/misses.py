"""Cache misses of two arms over a study, and by how much one misses less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwnas.core.counter import SOURCES
from hwnas.report.cells import Cell
from hwnas.report.claims.bounds import above
from hwnas.report.claims.combining import geometric_mean
from hwnas.report.claims.finding import Part, Unit
from hwnas.report.claims.missing import MissingEvidence
from hwnas.report.claims.pattern_sweep import PatternSweep
from hwnas.report.claims.studied import ACCELERATED, NATIVE
from hwnas.report.claims.values import Value
from hwnas.report.claims.wording import listed
from hwnas.report.context import plural

#: Source and cache geometry of a count.
MissKind = tuple[str, str | None]


@dataclass(frozen=True)
class Reduction:
    """Misses of one arm over those of another, network by network.

    A count of 0 means less than the source resolves, so that no ratio can be made of it; which side misses more
    it tells all the same.

    Args:
        arms: Full ids of both.
        ratios: Network -> misses of the first arm over those of the second, where both miss.
        only_first: Networks that miss on the first arm alone.
        only_second: Networks that miss on the second arm alone.
        neither: How many miss on neither.
    """

    arms: tuple[str, str]
    ratios: dict[str, float]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    neither: int

    @property
    def mean(self) -> Value | None:
        """Geometric mean of the ratios; None where there is none."""
        return geometric_mean([Value.exact(r) for r in self.ratios.values()]) if self.ratios else None

    def known(self, what: str) -> Value:
        """The same where there must be one.

        Raises:
            MissingEvidence: There is none.
        """
        if (mean := self.mean) is None:
            raise MissingEvidence(f"{what} has misses on both backends nowhere: count on a smaller cache")
        return mean

    def parts(self) -> list[Part]:
        """For every network that misses on the second arm, how much more it misses on the first, above 1."""
        found = {**self.ratios, **dict.fromkeys(self.only_second, 0.0)}
        return [Part(name, Value.exact(r), above(1.0), Unit.TIMES) for name, r in found.items()]

    def note(self) -> str:
        """What the mean leaves out, empty where that is nothing."""
        texts = [
            f"{plural(len(names), 'network')} with misses on {arm} alone left out of means: {listed(names)}"
            for arm, names in zip(self.arms, (self.only_first, self.only_second), strict=True)
            if names
        ]
        if self.neither:
            texts.append(f"{plural(self.neither, 'network')} without misses on either backend left out")
        return "; ".join(texts)


def reduction(
    sweep: PatternSweep,
    kind: MissKind,
    patterns: Sequence[str],
    first: str = NATIVE,
    second: str = ACCELERATED,
) -> Reduction:
    """Misses on one arm over those on another, of some patterns over a study.

    Args:
        sweep: The study.
        kind: What counted.
        patterns: Those wanted.
        first: Full id of the arm that is divided.
        second: Full id of the other.
    """
    ratios: dict[str, float] = {}
    only_first, only_second, neither = [], [], 0
    for pattern in patterns:
        for one, other in zip(sweep.line(pattern, first), sweep.line(pattern, second), strict=True):
            a, b, name = _count(one, kind), _count(other, kind), one.workload.label
            if a and b:
                ratios[name] = a / b
            elif a:
                only_first.append(name)
            elif b:
                only_second.append(name)
            else:
                neither += 1
    return Reduction((first, second), ratios, tuple(only_first), tuple(only_second), neither)


def _count(cell: Cell, kind: MissKind) -> float:
    """Cache misses of one inference by a source that counted them."""
    (found,) = (m.value for m in cell.cache_misses if (m.source, m.geometry) == kind)
    return found or 0.0


def miss_kinds(sweep: PatternSweep) -> set[MissKind]:
    """Sources and caches that counted every network of a study on every arm."""
    kinds = [{(m.source, m.geometry) for m in c.cache_misses if m.value is not None} for c in sweep.cells]
    return set.intersection(*kinds) if kinds else set()


def preferred(kinds: Iterable[MissKind], geometry: str) -> MissKind:
    """The named cache where it was simulated, and of its sources the most direct one.

    Raises:
        MissingEvidence: There is none.
    """

    def rank(kind: MissKind) -> tuple[bool, int, str]:
        source, cache = kind
        # Another version's source may be one that this one does not know.
        directness = SOURCES.index(source) if source in SOURCES else len(SOURCES)
        return cache != geometry, directness, cache or ""

    found = sorted(kinds, key=rank)
    if not found:
        raise MissingEvidence("no source counted the cache misses of all these networks")
    return found[0]


def counted_by(kind: MissKind) -> str:
    """``misses by model on 4194304,16,64``."""
    source, geometry = kind
    return f"misses by {source}" + (f" on {geometry}" if geometry else "")
