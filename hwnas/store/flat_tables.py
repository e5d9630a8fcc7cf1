"""Measurements as one flat table: columns for spreadsheets and data frames, and all the rest as JSON.

Reading takes the columns that :data:`DERIVED` does not name, so a file that was exported can
be imported again without loss.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Preparation
from hwnas.store import entry_json
from hwnas.store.records import Entry
from hwnas.store.rows import storable, to_json, workload_values

#: Column -> type, for people who read the table; import takes them from the JSON columns.
DERIVED = {
    "environment": str,
    "cpu_model": str,
    "campaign": str,
    "kind": str,
    "name": str,
    "batch": int,
    "depth": int,
    "width": int,
    "resolution": int,
    "median_s": float,
    "sample_count": int,
}

#: Fields of a measurement, and in `_PREPARATION` of its preparation, that are plain values.
_PLAIN = {
    "uid": str,
    "group": str,
    "backend": str,
    "threads": int,
    "pass_index": int,
    "status": str,
    "reason": str,
    "calls_per_sample": int,
    "stop_reason": str,
    "peak_memory_bytes": int,
    "created_at": str,
    "protocol": str,
}
_PREPARATION = {
    f.name: bool if f.name == "warmup_settled" else int if f.name == "warmup_calls" else float
    for f in fields(Preparation)
}
_COUNTS = {"macs": int, "parameters": int}
#: Columns with JSON text: fields of the measurement, and of the entry around it.
_JSON_OF_MEASUREMENT = ("workload", "effective", "agreement", "blocks", "kernels", "counters")
_JSON_OF_ENTRY = {
    "environment_json": "environment",
    "campaign_json": "campaign",
    "canary_reference_json": "canary_reference",
}

#: Every column with the type of its values, in order.
COLUMNS: dict[str, type] = {
    "layout": str,
    **DERIVED,
    **_PLAIN,
    **_COUNTS,
    **_PREPARATION,
    **dict.fromkeys(_JSON_OF_MEASUREMENT, str),
    **dict.fromkeys(_JSON_OF_ENTRY, str),
}


def to_row(entry: Entry) -> dict[str, Any]:
    """Values of :data:`COLUMNS`; None where there is none."""
    data = entry_json.to_dict(entry)
    measurement = data["measurement"]
    row = {
        "layout": data["layout"],
        **workload_values(entry.measurement.workload, entry.macs, entry.parameters),
        **{name: measurement[name] for name in _PLAIN},
        **measurement["preparation"],
        **{name: to_json(measurement[name]) for name in _JSON_OF_MEASUREMENT},
        **{column: to_json(data[name]) for column, name in _JSON_OF_ENTRY.items()},
        "environment": entry.environment.fingerprint,
        "cpu_model": entry.environment.cpu_model,
        "campaign": entry.campaign.name if entry.campaign else None,
        "median_s": entry.measurement.median_s,
        "sample_count": len(entry.measurement.samples_s),
    }
    return {name: storable(v) if isinstance(v := row[name], str) else v for name in COLUMNS}


def from_row(row: Mapping[str, Any], where: str) -> Entry:
    """Rebuild from :func:`to_row`; values may be text, and empty text stands for None.

    Raises:
        UsageError: A value is not what its column holds.
    """
    measurement = {name: _plain(row[name], kind) for name, kind in _PLAIN.items()}
    measurement["preparation"] = {name: _plain(row[name], kind) for name, kind in _PREPARATION.items()}
    for name in _JSON_OF_MEASUREMENT:
        measurement[name] = _parse(row[name], f"{where}, column {name}")
    data = {
        "layout": row["layout"],
        "measurement": measurement,
        **{name: _plain(row[name], kind) for name, kind in _COUNTS.items()},
        **{name: _parse(row[column], f"{where}, column {column}") for column, name in _JSON_OF_ENTRY.items()},
    }
    return entry_json.from_dict(data, where)


def check_columns(names: Iterable[str], path: Path) -> None:
    """Refuse a table that lacks what an import needs.

    Raises:
        UsageError: Names the missing columns.
    """
    missing = [name for name in COLUMNS if name not in set(names) and name not in DERIVED]
    if missing:
        raise UsageError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing[:6])}",
            "Give a file that hwnas db export wrote",
        )


def write_csv(path: Path, entries: Iterable[Entry]) -> int:
    """Write `entries` as CSV and return how many there were.

    Raises:
        OSError: The file cannot be written.
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for count, entry in enumerate(entries, start=1):  # noqa: B007 - the last count is the result
            writer.writerow(to_row(entry))
    return count


def read_csv(path: Path) -> Iterator[Entry]:
    """The entries of a CSV file, row by row.

    Raises:
        OSError, UnicodeDecodeError: The file cannot be read.
        UsageError: It is not what :func:`write_csv` writes.
    """
    # The samples of one measurement exceed the limit of 128 KiB that protects csv from binary files.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark first
        reader = csv.DictReader(file, strict=True)
        try:
            check_columns(reader.fieldnames or (), path)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise UsageError(
                        f"{where}: the row does not have one value a column", "Export the file again"
                    )
                yield from_row(row, where)
        except csv.Error as error:
            raise UsageError(f"{path}, line {reader.line_num}: {error}", "Export the file again") from error


def _plain(value: Any, kind: type) -> Any:
    # A data frame that was saved again has NaN where a whole number is missing.
    missing = value == "" or (isinstance(value, float) and value != value)
    return None if missing and kind is not str else value


def _parse(text: Any, where: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: not JSON ({error})", "Export the file again") from error
