"""Positive numbers with intervals, as cells give them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from hwnas.report.cells import Cell
from hwnas.report.claims.missing import MissingEvidence


class Process(NamedTuple):
    """A worker process, which serves all cells of its arm in one pass.

    Args:
        backend: Full id of the arm.
        threads: Threads asked for.
        campaign: Uid of the campaign, or None.
        pass_index: Of the pass.
    """

    backend: str
    threads: int
    campaign: str | None
    pass_index: int


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval.

    Args:
        value: The number.
        low: Lower end; equal to the value of a number that was counted and not measured.
        high: Upper end.
        counted: Whether it is such a number, which has no interval.
        processes: How the logarithm follows the relative error of each process that measured it: 1/n for a
            latency of n passes. Empty of numbers that were computed from others.
    """

    value: float
    low: float
    high: float
    counted: bool = False
    processes: tuple[tuple[Process, float], ...] = ()

    @classmethod
    def exact(cls, value: float) -> Value:
        """A number that was counted."""
        return cls(value, value, value, counted=True)

    def text(self, unit: str = "") -> str:
        """Three digits, with the interval where there is one: ``3.8x [3.7, 3.9]``."""
        shown = f"{digits(self.value)}{unit}"
        return shown if self.counted else f"{shown} [{digits(self.low)}, {digits(self.high)}]"

    def scaled(self, factor: float) -> Value:
        """The number in another unit."""
        return Value(self.value * factor, self.low * factor, self.high * factor, self.counted, self.processes)


def latency(cell: Cell) -> Value:
    """Latency of one image [s].

    Raises:
        MissingEvidence: There is none.
    """
    e = cell.estimate
    if e is None:
        raise MissingEvidence(f"{cell.workload.label} on {cell.backend} has no latency")
    batch = cell.workload.batch
    return Value(
        e.latency_s / batch,
        e.low_s / batch,
        e.high_s / batch,
        processes=_processes(cell, cell.backend, cell.passes, 1.0),
    )


def speedup(cell: Cell) -> Value:
    """Speedup over the baseline, from rounds side by side.

    Raises:
        MissingEvidence: There is none.
    """
    c = cell.comparison
    if c is None:
        raise MissingEvidence(f"no speedup of {cell.workload.label} on {cell.backend}: {cell.no_comparison}")
    both = _processes(cell, cell.baseline, cell.paired_passes, 1.0)
    both += _processes(cell, cell.backend, cell.paired_passes, -1.0)
    return Value(c.speedup, c.low, c.high, processes=both)


def _processes(
    cell: Cell, backend: str, passes: tuple[int, ...], power: float
) -> tuple[tuple[Process, float], ...]:
    return tuple(
        (Process(backend, cell.threads, cell.campaign_uid, index), power / len(passes)) for index in passes
    )


def digits(value: float) -> str:
    """Three digits, and no exponent where there are more before the point: ``1230``."""
    if not math.isfinite(value):
        return str(value)
    shown = float(f"{value:.3g}")
    return f"{shown:.0f}" if abs(shown) >= 100 else f"{shown:.3g}"
