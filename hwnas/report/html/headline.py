"""The page's first answer: how much faster each arm is, on what, and what could not be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.measuring.statistics import Verdict
from hwnas.report.cells import Cell, Selection
from hwnas.report.claims.combining import geometric_mean
from hwnas.report.claims.values import Value, speedup
from hwnas.report.columns import interval
from hwnas.report.context import omissions, plural, threads
from hwnas.report.order import network_names, title


@dataclass(frozen=True)
class SpeedupLine:
    """Some networks on one arm.

    Args:
        name: Of the pattern or network; "all" for all of them.
        networks: How many.
        mean: Geometric mean of the speedups, with its interval.
        smallest: The smallest speedup.
        largest: The largest.
        verdicts: Verdict -> how many.
    """

    name: str
    networks: int
    mean: Value
    smallest: float
    largest: float
    verdicts: dict[Verdict, int]

    @property
    def mean_text(self) -> str:
        """``1.54× [1.53, 1.55]``."""
        return interval(self.mean.value, self.mean.low, self.mean.high, "×", most_decimals=2)

    @property
    def number(self) -> str:
        """``1.54``."""
        return f"{self.mean.value:.2f}"

    @property
    def interval(self) -> str:
        """``1.53 to 1.55``."""
        return f"{self.mean.low:.2f} to {self.mean.high:.2f}"

    @property
    def range(self) -> str:
        """``0.86× to 8.32×``; of one network, that it is one."""
        return f"{self.smallest:.2f}× to {self.largest:.2f}×" if self.networks > 1 else "one network"

    @property
    def verdicts_text(self) -> str:
        """``110 faster, 10 slower``."""
        return ", ".join(f"{n} {v.lower()}" for v, n in self.verdicts.items())


@dataclass(frozen=True)
class Arm:
    """One arm against the baseline.

    Args:
        backend: Full id.
        threads: ``1 thread``.
        overall: Over all networks; None where `reason` says why there is no speedup.
        lines: By pattern or network.
        reason: Why there is none, else empty.
    """

    backend: str
    threads: str
    overall: SpeedupLine | None
    lines: list[SpeedupLine]
    reason: str = ""

    @property
    def most_and_least(self) -> tuple[SpeedupLine, SpeedupLine] | None:
        """The pattern or network that gains the most, and the one that gains the least; None of one alone."""
        if len(self.lines) < 2:
            return None
        ranked = sorted(self.lines, key=lambda line: line.mean.value)
        return ranked[-1], ranked[0]


def arms(selection: Selection) -> list[Arm]:
    """Every arm but the baseline: those with most networks first, and of these the one that gains the most."""
    names = network_names(c.workload for c in selection.cells)
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in selection.cells:
        if cell.backend != selection.baseline:
            groups.setdefault((cell.backend, cell.threads), []).append(cell)
    found = [_arm(backend, cells, names) for (backend, _), cells in groups.items()]
    return sorted(found, key=_rank)


def _rank(arm: Arm) -> tuple[int, float]:
    return (-arm.overall.networks, -arm.overall.mean.value) if arm.overall else (1, 0.0)


def _arm(backend: str, cells: Sequence[Cell], names: dict[str, str]) -> Arm:
    compared = [c for c in cells if c.comparison]
    if not compared:
        reasons = [str(o) for o in omissions(cells)] or list(dict.fromkeys(c.no_comparison for c in cells))
        return Arm(backend, threads(cells), None, [], "; ".join(reasons))
    families: dict[str, list[Cell]] = {}
    for cell in compared:
        families.setdefault(title(names[cell.workload.key]), []).append(cell)
    lines = [_line(name, own) for name, own in families.items()]
    return Arm(backend, threads(cells), _line("all", compared), lines)


def _line(name: str, cells: Sequence[Cell]) -> SpeedupLine:
    found = [c.comparison for c in cells if c.comparison]
    values = [c.speedup for c in found]
    counts = {v: sum(c.verdict is v for c in found) for v in Verdict}
    return SpeedupLine(
        name,
        len(found),
        geometric_mean([speedup(c) for c in cells]),
        min(values),
        max(values),
        {v: n for v, n in counts.items() if n},
    )


def measured_share(selection: Selection) -> str:
    """``240 of 360 cells have a latency``."""
    measured = sum(c.estimate is not None for c in selection.cells)
    return f"{measured} of {plural(len(selection.cells), 'cell')} have a latency"
