"""Whole networks as rows of bars: one a network, with its arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.core.workload import Workload
from hwnas.report.cells import Cell
from hwnas.report.order import image, network_names


@dataclass(frozen=True)
class NetworkRow:
    """One network with its arms.

    Args:
        name: For people, with what tells it from others.
        cells: One an arm, in the order of the registry, behind `baseline` where that is named; at least one.
        baseline: The arm that the speedups refer to; empty for that of the report.
        note: What the row is, where its name does not say so.
    """

    name: str
    cells: tuple[Cell, ...]
    baseline: str = ""
    note: str = ""

    @property
    def workload(self) -> Workload:
        """The network."""
        return self.cells[0].workload


def network_rows(cells: Sequence[Cell]) -> dict[int, list[NetworkRow]]:
    """Threads -> whole networks with a latency, the fastest first; arms without any latency are left out."""
    whole = [c for c in cells if c.workload.kind != "pattern"]
    names = short_names(whole)
    found: dict[int, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in whole:
        found[cell.threads][cell.workload.key].append(cell)
    rows = {}
    for count, networks in sorted(found.items()):
        drawn = {c.backend for own in networks.values() for c in own if c.estimate}
        kept = {key: tuple(c for c in own if c.backend in drawn) for key, own in networks.items()}
        own_rows = [NetworkRow(names[k], own) for k, own in kept.items() if any(c.estimate for c in own)]
        if own_rows:
            rows[count] = sorted(own_rows, key=lambda r: (_least(r), r.name))
    return rows


def short_names(cells: Sequence[Cell]) -> dict[str, str]:
    """Workload key -> name, without its origin where that tells nothing; batch and input where they differ."""
    names = network_names(c.workload for c in cells)
    bare = {key: name.partition(":")[2] or name for key, name in names.items()}
    if len(set(bare.values())) == len(set(names.values())):
        names = bare
    workloads = {c.workload.key: c.workload for c in cells}
    several = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {
        key: f"{name}, {image(workloads[key])}, batch {workloads[key].batch}"
        if name in several or workloads[key].batch > 1
        else name
        for key, name in names.items()
    }


def _least(row: NetworkRow) -> float:
    return min(c.estimate.latency_s / c.workload.batch for c in row.cells if c.estimate)
