"""The proofs of equal outputs as tables: what each arm's outputs differ, and how much was allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.core.measurement import Agreement
from hwnas.report.cells import Cell
from hwnas.report.context import plural
from hwnas.report.network_rows import short_names
from hwnas.report.order import backends_in_order, network_names, title
from hwnas.report.weak_proofs import in_general


@dataclass(frozen=True)
class AgreementLine:
    """One network, or all networks of a pattern.

    Args:
        name: For people.
        networks: ``90 networks`` of a pattern, else empty.
        errors: Of each arm of the table the largest relative error, or None where none was computed.
    """

    name: str
    networks: str
    errors: Sequence[str | None]


@dataclass(frozen=True)
class AgreementTable:
    """The proofs that share a tolerance and a reference.

    Args:
        tolerance: The largest relative error that was accepted: ``0.001``.
        reference: What outputs were compared with.
        backends: The arms, one column each.
        largest: The largest relative error of them all.
        where: The network and the arm that have it.
        lines: Whole networks, then patterns, each in the order of the cells.
    """

    tolerance: str
    reference: str
    backends: Sequence[str]
    largest: str
    where: str
    lines: Sequence[AgreementLine]


@dataclass(frozen=True)
class _Proof:
    name: str
    cell: Cell
    agreement: Agreement
    error: float


def agreement_tables(cells: Sequence[Cell]) -> list[AgreementTable]:
    """One table for each tolerance and reference; all threads of a network, and all sizes of a pattern, are one
    line with the largest error."""
    names = _names(cells)
    groups: dict[tuple[float, str], list[_Proof]] = {}
    for cell in cells:
        a = cell.agreement
        if a is not None and a.max_relative_error is not None:
            proof = _Proof(names[cell.workload.key], cell, a, a.max_relative_error)
            groups.setdefault((a.tolerance, a.reference), []).append(proof)
    return [_table(tolerance, reference, own) for (tolerance, reference), own in groups.items()]


def agreement_remarks(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Which cells with a latency have no proof or a weak one, and why: the reason as the campaign stored it."""
    names = _names(cells)
    found: dict[str, list[str]] = {}
    for cell in cells:
        if cell.estimate is None:
            continue
        a = cell.agreement
        reason = "no proof is stored" if a is None else a.reason
        if a is not None and a.max_relative_error is None:
            reason = f"not compared: {reason or 'no reason was recorded'}"
        if reason:
            found.setdefault(names[cell.workload.key], []).append(in_general(reason))
    return [(f"{name}, {plural(len(own), 'cell')}", _told(own)) for name, own in found.items()]


def _told(reasons: Sequence[str]) -> str:
    different = list(dict.fromkeys(reasons))
    further = len(different) - 1
    return different[0] + (f" (and {plural(further, 'further reason')}: see the CSV file)" if further else "")


def _names(cells: Sequence[Cell]) -> dict[str, str]:
    """Workload key -> name; the networks of a pattern share theirs."""
    patterns = network_names(c.workload for c in cells if c.workload.kind == "pattern")
    whole = short_names([c for c in cells if c.workload.kind != "pattern"])
    return {key: title(name) for key, name in patterns.items()} | whole


def _table(tolerance: float, reference: str, proofs: Sequence[_Proof]) -> AgreementTable:
    backends = backends_in_order(p.cell.backend for p in proofs)
    lines: dict[str, list[_Proof]] = {}
    for proof in sorted(proofs, key=lambda p: p.cell.workload.kind == "pattern"):
        lines.setdefault(proof.name, []).append(proof)
    worst = max(proofs, key=lambda p: p.error)
    return AgreementTable(
        tolerance=f"{tolerance:g}",
        reference=reference,
        backends=backends,
        largest=f"{worst.error:.1e}",
        where=f"{worst.name} on {worst.cell.backend}",
        lines=[_line(name, own, backends) for name, own in lines.items()],
    )


def _line(name: str, proofs: Sequence[_Proof], backends: Sequence[str]) -> AgreementLine:
    networks = len({p.cell.workload.key for p in proofs})
    pattern = proofs[0].cell.workload.kind == "pattern"
    errors = [_largest([p for p in proofs if p.cell.backend == b]) for b in backends]
    return AgreementLine(name, plural(networks, "network") if pattern else "", errors)


def _largest(proofs: Sequence[_Proof]) -> str | None:
    if not proofs:
        return None
    worst = max(proofs, key=lambda p: (not p.agreement.passed, p.error))
    return f"{worst.error:.1e}" + ("" if worst.agreement.passed else ", not accepted")
