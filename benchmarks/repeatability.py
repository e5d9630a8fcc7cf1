"""Do two full runs of the networks agree?

Measures `networks.yaml` twice, or compares two databases that hold one run each. Both runs refer to the canary
reference of the first: a database of its own sets one of its own. A run that was interrupted goes on with
``hwnas measure networks --db FILE``; until then its missing cells are named, and the bar is not met.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reporting import run

from hwnas.core.measurement import PROTOCOL_VERSION, Measurement, Status
from hwnas.measuring.statistics import estimate
from hwnas.store import LatencyStore

_AGREE = 0.05
#: Networks of so long a call have few blocks in a pass [ms].
_LONG_MS = 100
Cell = tuple[str, str]


@dataclass(frozen=True)
class Run:
    """The last campaign `networks` of a database.

    Args:
        cells: Label and backend -> the passes that were measured.
        environment: Fingerprint of the host and its software.
        reference: Canary durations [s] of that environment; None where none were set.
    """

    cells: dict[Cell, list[Measurement]]
    environment: str
    reference: dict[str, float] | None


def main(options: Namespace) -> dict[str, Any]:
    for path in (options.first, options.second):
        if not Path(path).exists():
            command = [sys.executable, "-m", "hwnas", "measure", "networks", "--db", path]
            subprocess.run(command, check=True)
    first, second = _run_of(options.first), _run_of(options.second)
    if first.reference is None:
        raise SystemExit(f"{options.first} has no canary reference, so nothing can be corrected for drift")
    rows = {}
    for cell in sorted(first.cells.keys() & second.cells.keys()):
        one, other = (estimate(found.cells[cell], first.reference) for found in (first, second))
        widths = [math.log(e.high_s / e.low_s) / 2 for e in (one, other)]
        apart = abs(math.log(other.latency_s / one.latency_s))
        rows[" ".join(cell)] = {
            "first_ms": round(1e3 * one.latency_s, 3),
            "second_ms": round(1e3 * other.latency_s, 3),
            "difference_percent": round(100 * (other.latency_s / one.latency_s - 1), 2),
            "raw_difference_percent": round(100 * (other.raw_median_s / one.raw_median_s - 1), 2),
            "half_widths_percent": [round(100 * math.expm1(w), 2) for w in widths],
            # Of a difference of two independent runs: the root of the sum of both half widths' squares. Whether
            # the intervals have a value in common asks less.
            "within_interval_of_difference": apart <= math.hypot(*widths),
            "intervals_meet": one.low_s <= other.high_s and other.low_s <= one.high_s,
            "passes": [one.passes, other.passes],
        }
    for name, row in sorted(rows.items(), key=lambda item: -abs(item[1]["difference_percent"])):
        print(name, row, flush=True)
    alone = [" ".join(cell) for cell in sorted(first.cells.keys() ^ second.cells.keys())]
    if alone:
        print(f"in one run only: {', '.join(alone)}", flush=True)
    agree = _share(rows, "difference_percent")
    backends = sorted({backend for _, backend in first.cells})
    return {
        "cells": len(rows),
        "in_one_run_only": alone,
        "same_environment": first.environment == second.environment,
        "within_5_percent": agree,
        "raw_within_5_percent": _share(rows, "raw_difference_percent"),
        **_differences(list(rows.values())),
        "by_backend": {
            b: _share({k: r for k, r in rows.items() if k.endswith(f" {b}")}, "difference_percent")
            for b in backends
        },
        "rows": rows,
        "passed": agree >= 90.0 and not alone,
    }


def _share(rows: dict[str, dict[str, Any]], key: str) -> float:
    """Percent of the cells that differ by no more than the bar."""
    within = [abs(row[key]) <= 100 * _AGREE for row in rows.values()]
    return round(100 * sum(within) / len(within), 1) if within else 0.0


def _differences(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How large the differences are, by the length of a call, and whether the intervals say so."""
    if not rows:
        return {}
    off = [row["difference_percent"] for row in rows]
    widths = zip(*(row["half_widths_percent"] for row in rows), strict=True)
    within: dict[bool, list[bool]] = {False: [], True: []}
    for row in rows:
        within[row["first_ms"] >= _LONG_MS].append(abs(row["difference_percent"]) <= 100 * _AGREE)
    return {
        f"within_5_percent_below_{_LONG_MS}_ms": _percent(within[False]),
        f"within_5_percent_from_{_LONG_MS}_ms": _percent(within[True]),
        "root_mean_square_percent": round(math.sqrt(statistics.fmean(d * d for d in off)), 2),
        "largest_difference_percent": max(map(abs, off)),
        "median_half_width_percent": [round(statistics.median(own), 2) for own in widths],
        "within_interval_of_difference_percent": _percent(
            [row["within_interval_of_difference"] for row in rows]
        ),
        "intervals_meet_percent": _percent([row["intervals_meet"] for row in rows]),
    }


def _percent(found: Sequence[bool]) -> float | None:
    return round(100 * sum(found) / len(found), 1) if found else None


def _run_of(path: str) -> Run:
    found: dict[Cell, list[Measurement]] = defaultdict(list)
    with LatencyStore.open(path, create=False) as store:
        records = [r for r, _ in store.campaigns() if r.name == "networks" and r.spec["threads"] == 1]
        if not records:
            raise SystemExit(
                f"{path} holds no campaign 'networks' at one thread: hwnas measure networks --db {path}"
            )
        last = records[-1]
        stored = store.measurements(campaign_uid=last.uid, status=str(Status.OK), with_kernels=False)
        for m in (s.measurement for s in stored):
            found[m.workload.label, m.backend].append(m)
        return Run(dict(found), last.environment, store.canary_reference(last.environment, PROTOCOL_VERSION))


if __name__ == "__main__":
    run(
        main,
        ("--first", {"default": "networks-1.sqlite", "help": "the first run; measured if missing"}),
        (
            "--second",
            {"default": "networks-2.sqlite", "help": "the second run; measured if missing"},
        ),
    )
