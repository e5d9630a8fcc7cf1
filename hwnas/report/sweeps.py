"""Which cells make a figure over depth or width, and as which lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.report.cells import Cell
from hwnas.report.order import Axis, backends_in_order, image, network_names, number

_OTHER: dict[Axis, Axis] = {"depth": "width", "width": "depth"}


@dataclass(frozen=True)
class Line:
    """One backend at one batch size in one panel.

    Args:
        backend: Full id.
        batch: Images in one inference.
        cells: One for each value of the sweep; None where the cell was never part of a campaign.
    """

    backend: str
    batch: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Sweep:
    """The cells of patterns that differ in `axis`, and else in pattern, batch and backend only.

    Args:
        axis: What the x axis shows.
        fixed: The other one of depth and width.
        image: Size of the feature maps, ``56x56``.
        threads: Threads of every arm.
        values: Values of `axis`, ascending.
        panels: Name of a pattern -> its lines, by backend and batch.
    """

    axis: Axis
    fixed: int
    image: str
    threads: int
    values: tuple[int, ...]
    panels: dict[str, tuple[Line, ...]]

    @property
    def cells(self) -> list[Cell]:
        """Every cell, in the order in which it is drawn."""
        return [c for lines in self.panels.values() for line in lines for c in line.cells if c is not None]


def find_sweeps(cells: Sequence[Cell], axis: Axis) -> list[Sweep]:
    """The sweeps among `cells` that have a latency at two values of `axis` or more, largest first."""
    groups: dict[tuple[int, str, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        fixed = number(cell.workload, _OTHER[axis])
        if cell.workload.kind == "pattern" and fixed is not None and number(cell.workload, axis) is not None:
            groups[fixed, image(cell.workload), cell.threads].append(cell)
    sweeps = [_sweep(axis, key, members) for key, members in groups.items()]
    return sorted((s for s in sweeps if s is not None), key=lambda s: -len(s.cells))


def _sweep(axis: Axis, key: tuple[int, str, int], cells: list[Cell]) -> Sweep | None:
    places = {id(c): number(c.workload, axis) or 0 for c in cells}
    if len({places[id(c)] for c in cells if c.estimate}) < 2:
        return None
    values = tuple(sorted(set(places.values())))
    names = network_names(c.workload for c in cells)
    panels: dict[str, dict[tuple[str, int], dict[int, Cell]]] = defaultdict(lambda: defaultdict(dict))
    for cell in cells:
        line = panels[names[cell.workload.key]][cell.backend, cell.workload.batch]
        line[places[id(cell)]] = cell
    order = backends_in_order({c.backend for c in cells})
    return Sweep(
        axis,
        *key,
        values,
        {
            name: tuple(
                Line(backend, batch, tuple(found.get(v) for v in values))
                for (backend, batch), found in sorted(
                    lines.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
                )
            )
            for name, lines in panels.items()
        },
    )
