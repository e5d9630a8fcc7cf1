"""The study's further rows of DARTS: against PyTorch with oneDNN forced, and against PyTorch as it was then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hwnas.report.cells import Selection
from hwnas.report.claims.studied import ACCELERATED, FORCED, GPU, PAPER_ERA
from hwnas.report.network_rows import NetworkRow
from hwnas.workloads.catalogue import find_network

#: The cells with speedups over a baseline, which has a full id.
Against = Callable[[str], Selection]


@dataclass(frozen=True)
class _Condition:
    """How PyTorch ran DARTS.

    Args:
        name: In parentheses behind the network's.
        baseline: The arm that runs it so.
        note: What it is in the study.
    """

    name: str
    baseline: str
    note: str


_CONDITIONS = (
    _Condition("oneDNN forced", FORCED, "the study's 'Optimized DARTS'"),
    _Condition("paper era", PAPER_ERA, "dilated convolutions outside oneDNN, as the study's PyTorch ran them"),
)


def with_darts(
    rows: Mapping[int, Sequence[NetworkRow]], baseline: str, against: Against
) -> dict[int, list[NetworkRow]]:
    """The rows with DARTS once more for each of the study's conditions that was measured, behind its own.

    Args:
        rows: Threads -> rows, with speedups over `baseline`.
        baseline: A condition that runs there already gets no second row.
        against: The same cells over another baseline; asked only for conditions that were measured.
    """
    key = find_network("darts").workload().key
    return {
        threads: [
            each
            for row in own
            for each in (row, *(_further(row, baseline, against) if row.workload.key == key else ()))
        ]
        for threads, own in rows.items()
    }


def _further(row: NetworkRow, baseline: str, against: Against) -> list[NetworkRow]:
    measured = {c.backend for c in row.cells if c.estimate} - {baseline}
    found = [_row(row, condition, against) for condition in _CONDITIONS if condition.baseline in measured]
    return [r for r in found if any(c.comparison for c in r.cells)]


def _row(row: NetworkRow, condition: _Condition, against: Against) -> NetworkRow:
    arms = {c.backend for c in row.cells} & {condition.baseline, ACCELERATED, GPU}
    found = [
        c
        for c in against(condition.baseline).cells
        if (c.workload.key, c.threads) == (row.workload.key, row.cells[0].threads) and c.backend in arms
    ]
    # What the speedups refer to stands first, as in every other row.
    cells = tuple(sorted(found, key=lambda c: c.backend != condition.baseline))
    return NetworkRow(f"{row.name} ({condition.name})", cells, condition.baseline, condition.note)
