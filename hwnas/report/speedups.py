"""Speedups as rows of bars: one a network, or one for several where there would be too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hwnas.core.measurement import Status
from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import IS_BASELINE, Cell
from hwnas.report.context import threads
from hwnas.report.order import Axis, image, network_names, number
from hwnas.report.summary import summarise

#: More bars than this make a figure that nobody can take in.
_MOST_BARS = 36

#: What tells the networks of one name apart, as they are written beside a bar.
_PROPERTIES: tuple[Callable[[Cell], str | None], ...] = (
    lambda c: f"input {image(c.workload)}",
    lambda c: threads([c]),
    lambda c: f"batch {c.workload.batch}",
    lambda c: _axis(c, "depth"),
    lambda c: _axis(c, "width"),
)


def _axis(cell: Cell, name: Axis) -> str | None:
    value = number(cell.workload, name)
    return None if value is None else f"{name} {value}"


@dataclass(frozen=True)
class Bar:
    """The speedup of one arm on one network, or on several.

    Args:
        network: The pattern's or model's name.
        label: What tells it from other bars of that name.
        backend: Full id.
        speedup: Geometric mean over the networks; None where none has a speedup.
        low: Lower end of the 95 % interval of a single network, else None.
        high: Upper end.
        members: The networks' speedups.
        verdict: Of a single network, else None.
        reason: Why there is no speedup, else empty.
    """

    network: str
    label: str
    backend: str
    speedup: float | None
    low: float | None
    high: float | None
    members: tuple[float, ...]
    verdict: Verdict | None
    reason: str

    def record(self) -> dict[str, Any]:
        """A flat record for a file."""
        return {
            "network": self.network,
            "label": self.label,
            "backend": self.backend,
            "speedup": self.speedup,
            "speedup_low": self.low,
            "speedup_high": self.high,
            "networks": len(self.members),
            "smallest": min(self.members, default=None),
            "largest": max(self.members, default=None),
            "verdict": str(self.verdict) if self.verdict else None,
            "reason": self.reason,
        }


def speedup_bars(cells: Sequence[Cell]) -> list[Bar]:
    """The bars of every arm that has a speedup, in the order of the cells.

    One bar a network, if these are few; else depths and widths are taken together, then batches.
    """
    arms = {c.backend for c in cells if c.comparison}
    chosen = [c for c in cells if c.backend in arms and c.no_comparison != IS_BASELINE]
    for kept in (5, 3, 2):
        bars = _bars(chosen, _PROPERTIES[:kept])
        if len(bars) <= _MOST_BARS:
            break
    return bars


def shared_properties(cells: Sequence[Cell]) -> list[str]:
    """What all networks have in common, in words."""
    found = [{p(c) for c in cells} for p in _PROPERTIES]
    return [value for values in found if len(values) == 1 for value in values if value is not None]


def _bars(cells: Sequence[Cell], properties: Sequence[Callable[[Cell], str | None]]) -> list[Bar]:
    names = network_names(c.workload for c in cells)
    telling = [p for p in properties if len({p(c) for c in cells}) > 1]
    groups: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        label = ", ".join(filter(None, (p(cell) for p in telling)))
        groups[names[cell.workload.key], label, cell.backend].append(cell)
    return [_bar(*key, members) for key, members in groups.items()]


def _bar(network: str, label: str, backend: str, cells: Sequence[Cell]) -> Bar:
    found = [c.comparison for c in cells if c.comparison]
    single = found[0] if len(found) == 1 else None
    summary = summarise(cells, lambda c: backend).get(backend)
    first = cells[0]
    lost = f"{first.status}: {first.reason}" if first.status is not Status.OK else first.no_comparison
    return Bar(
        network=network,
        label=label,
        backend=backend,
        speedup=summary.speedup if summary else None,
        low=single.low if single else None,
        high=single.high if single else None,
        members=tuple(c.speedup for c in found),
        verdict=single.verdict if single else None,
        reason="" if summary else lost,
    )
