"""Whose cache misses acceleration removed: modelled misses of two arms, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwnas.cache_misses.operators import OPERATOR_KINDS, OTHER
from hwnas.core.counter import operator_of
from hwnas.report.cells import Cell, Selection
from hwnas.report.context import plural
from hwnas.report.order import network_names, sized_name


@dataclass(frozen=True)
class FusionRow:
    """One network on the baseline and on another arm.

    Args:
        network: Its name for people, with what tells it from others.
        baseline: Kind of operator -> misses on the baseline.
        backend: Full id of the other arm.
        accelerated: Kind of operator -> misses there.
        geometry: The cache, ``size,ways,line``.
        fused_shares: Kind of operator -> share of the operators that run inside another's kernel there, as
            the arm's execution graph tells; None where that is not known.
    """

    network: str
    baseline: Mapping[str, float]
    backend: str
    accelerated: Mapping[str, float]
    geometry: str
    fused_shares: Mapping[str, float] | None

    @property
    def fused(self) -> dict[str, float]:
        """Kind of operator -> the baseline's misses in operators that have no kernel of their own any more."""
        shares = self.fused_shares or {}
        return {k: v * shares[k] for k, v in self.baseline.items() if shares.get(k)}

    def record(self) -> dict[str, Any]:
        """What was saved, kind by kind, for a CSV file; None where nobody knows what is fused."""
        saved = {k: self.baseline.get(k, 0.0) - self.accelerated.get(k, 0.0) for k in OPERATOR_KINDS}
        shares = self.fused_shares
        return {
            "network": self.network,
            "backend": self.backend,
            "geometry": self.geometry,
            "baseline_misses": sum(self.baseline.values()),
            "misses": sum(self.accelerated.values()),
            "baseline_misses_of_fused_operators": None if shares is None else sum(self.fused.values()),
            **{f"saved: {kind}": value for kind, value in saved.items()},
            **{
                f"fused share: {kind}": None if shares is None else shares.get(kind, 0.0)
                for kind in OPERATOR_KINDS
            },
        }


def fusion_geometries(selection: Selection) -> list[str]:
    """The caches for which misses are known by operator."""
    found = (m.geometry for c in selection.cells for m in c.operator_misses)
    return list(dict.fromkeys(g for g in found if g))


def fusion_rows(selection: Selection, geometry: str) -> list[FusionRow]:
    """One row a network and accelerated arm: of each pattern the workload with the most MACs."""
    names = network_names(c.workload for c in selection.cells)
    arms = {(c.workload.key, c.threads, c.backend): c for c in selection.cells}
    several = len({t for _, t, _ in arms}) > 1
    largest: dict[tuple[str, str, int], tuple[Cell, Cell]] = {}
    for (workload, threads, backend), cell in arms.items():
        base = arms.get((workload, threads, selection.baseline))
        if base is None or backend == selection.baseline:
            continue
        if not (_by_operator(base, geometry) and _modelled(cell, geometry)):
            continue
        place = names[workload], backend, threads
        if place not in largest or (cell.macs or 0) > (largest[place][1].macs or 0):
            largest[place] = base, cell
    return [
        FusionRow(
            sized_name(name, cell.workload) + (f", {plural(threads, 'thread')}" if several else ""),
            _by_operator(base, geometry),
            backend,
            _by_operator(cell, geometry),
            geometry,
            cell.fused_shares,
        )
        for (name, backend, threads), (base, cell) in largest.items()
    ]


def _modelled(cell: Cell, geometry: str) -> bool:
    """Whether the model counted this cell, be it that nothing is missed any more."""
    return any(
        m.source == "model" and m.geometry == geometry and m.value is not None for m in cell.cache_misses
    )


def _by_operator(cell: Cell, geometry: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for m in cell.operator_misses:
        kind = operator_of(m.event)
        if m.geometry == geometry and m.value and kind:
            # Another version's kind may be one that this one does not know.
            kind = kind if kind in OPERATOR_KINDS else OTHER
            found[kind] = found.get(kind, 0.0) + m.value
    return found
