"""Cells as flat records for programs: SI units, full precision, None where nothing was measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwnas.core.counter import Counter
from hwnas.core.errors import UsageError
from hwnas.report.cells import Cell, Selection
from hwnas.report.order import network_names, number


def records(selection: Selection) -> list[dict[str, Any]]:
    """One JSON-ready record a cell, in the selection's order."""
    names = network_names(c.workload for c in selection.cells)
    fingerprint = selection.environment.fingerprint
    return [
        {
            **cell_record(cell, names[cell.workload.key]),
            "baseline": selection.baseline,
            "environment": fingerprint,
        }
        for cell in selection.cells
    ]


def cell_record(cell: Cell, network: str) -> dict[str, Any]:
    """What a cell holds, without what all cells of a report share.

    Args:
        cell: The cell.
        network: Its name for people.
    """
    w, e, c, a = cell.workload, cell.estimate, cell.comparison, cell.agreement
    return {
        "network": network,
        "kind": w.kind,
        "name": w.name,
        "depth": number(w, "depth"),
        "width": number(w, "width"),
        "batch": w.batch,
        "input_shape": list(w.input_shape),
        "params": dict(w.params),
        "workload": w.key,
        "backend": cell.backend,
        "threads": cell.threads,
        "status": str(cell.status),
        "reason": cell.reason,
        "latency_s": e.latency_s if e else None,
        "latency_low_s": e.low_s if e else None,
        "latency_high_s": e.high_s if e else None,
        "raw_median_s": e.raw_median_s if e else None,
        "per_image_s": e.latency_s / w.batch if e else None,
        "per_image_low_s": e.low_s / w.batch if e else None,
        "per_image_high_s": e.high_s / w.batch if e else None,
        "speedup": c.speedup if c else None,
        "speedup_low": c.low if c else None,
        "speedup_high": c.high if c else None,
        "verdict": str(c.verdict) if c else None,
        "no_comparison": cell.no_comparison,
        "noise": e.noise if e else None,
        "residual_noise": e.residual_noise if e else None,
        "preemptions_per_s": e.preemptions_per_s if e else None,
        "flags": list(cell.flags),
        "passes": e.passes if e else None,
        "samples": e.samples if e else None,
        "macs": cell.macs,
        "parameters": cell.parameters,
        "macs_per_s": cell.macs / e.latency_s if e and cell.macs is not None else None,
        "agreement_error": a.max_relative_error if a else None,
        "agreement_tolerance": a.tolerance if a else None,
        "agreement_reference": a.reference if a else None,
        "agreement_reason": a.reason if a else None,
        "cache_misses": [_count_record(c) for c in cell.cache_misses],
        "campaign": cell.campaign,
        "generation": cell.generation,
    }


def _count_record(counter: Counter) -> dict[str, Any]:
    """A count as people and programs read it; every cell's record has its source."""
    names = ("value", "source", "geometry", "accesses", "threads", "reason")
    return {name: getattr(counter, name) for name in names}


def count_records(cell: Cell, network: str) -> list[dict[str, Any]]:
    """The cache misses of a cell, one record a source and cache; none where nothing was counted.

    Args:
        cell: The cell.
        network: Its name for people.
    """
    w = cell.workload
    place = {
        "network": network,
        "depth": number(w, "depth"),
        "width": number(w, "width"),
        "batch": w.batch,
        "workload": w.key,
        "backend": cell.backend,
    }
    return [
        {**place, **_count_record(c), "per_image": None if c.value is None else c.value / w.batch}
        for c in cell.cache_misses
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], hint: str = "Give another place") -> Path:
    """Write records, all with the same keys, as CSV; what is not known is an empty field.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: _field(k, v) for k, v in row.items()} for row in rows)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint) from error
    return path


def _field(key: str, value: Any) -> Any:
    """Lists and mappings as text that people read: ``1x64x56x56``, ``depth=10 width=64``."""
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items())
    if key == "cache_misses":
        known = (c for c in value if c["value"] is not None)
        return " ".join(f"{c['source']}@{c['geometry'] or 'cpu'}={c['value']}" for c in known)
    if isinstance(value, list):
        return ("x" if key == "input_shape" else " ").join(str(v) for v in value)
    return value
