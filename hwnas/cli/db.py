"""`hwnas db`: look into latency databases and carry measurements between them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwnas.cli.options import db_option, filter_options, filters, readable_db_option, refuse_empty
from hwnas.core.counter import LLC_MISSES
from hwnas.core.errors import UsageError
from hwnas.core.units import format_bytes, format_count, format_seconds
from hwnas.store import ImportResult, LatencyStore, StoredMeasurement
from hwnas.store.exchange import export as write_export
from hwnas.store.exchange import import_file
from hwnas.store.exchange import merge as merge_stores
from hwnas.store.rows import workload_values

#: Rows of a table for people, unless `--limit` asks for another number.
_TABLE_ROWS = 50

#: Of a workload, and of a measurement of it: what a row tells.
_WORKLOAD = ("kind", "name", "batch", "depth", "width", "resolution", "macs", "parameters")
_SUMMARY = (
    *("uid", "environment", "campaign", "workload", *_WORKLOAD, "backend", "threads", "pass_index", "status"),
    *("reason", "median_s", "sample_count", "peak_memory_bytes", "counters", "created_at"),
)


@click.group()
def db() -> None:
    """Look into, export, import and merge latency databases."""


@db.command()
@readable_db_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(db: str | None, as_json: bool) -> None:
    """Show where the database is, whether it is sound, and what it holds."""
    refuse_empty()
    with LatencyStore.open(db, create=False) as store:
        store.database.check()
        environments = [
            {
                "fingerprint": e.fingerprint,
                "cpu_model": e.cpu_model,
                "logical_cpus": e.logical_cpus,
                "versions": dict(e.versions),
                "measurements": n,
            }
            for e, n in store.environments()
        ]
        campaigns = [
            {
                "uid": c.uid,
                "name": c.name,
                "generation": c.generation,
                "environment": c.environment,
                "created_at": c.created_at,
                "measurements": n,
            }
            for c, n in store.campaigns()
        ]
        location, revision = store.location, store.database.revision()
        size_bytes, counts = store.database.size_bytes(), store.counts()
    if as_json:
        facts = {"location": location, "revision": revision, "size_bytes": size_bytes, "counts": counts}
        _print_json({**facts, "environments": environments, "campaigns": campaigns})
        return
    click.echo(f"{location} (schema {revision}, {format_bytes(size_bytes)}, sound)")
    click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    _print_table("Environments", ["fingerprint", "cpu_model", "logical_cpus", "measurements"], environments)
    _print_table(
        "Campaigns", ["name", "generation", "environment", "created_at", "measurements", "uid"], campaigns
    )


@db.command()
@readable_db_option
@filter_options
@click.option(
    "--limit", type=click.IntRange(min=1), help=f"At most this many. [default: {_TABLE_ROWS} in a table]"
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def query(db: str | None, limit: int | None, as_json: bool, as_csv: bool, **options: Any) -> None:
    """List measurements; the median is that of the raw samples."""
    refuse_empty()
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", "Give one of them")
    if limit is None and not (as_json or as_csv):
        limit = _TABLE_ROWS
    with LatencyStore.open(db, create=False) as store:
        chosen = filters(store, **options)
        total = store.count(**chosen)
        stored = store.measurements(with_samples=False, with_kernels=False, **chosen)
        rows = [_summary(s) for s in islice(stored, limit)]
    if as_json:
        _print_json(rows)
    elif as_csv:
        _print_csv(rows)
    else:
        _print_measurements(rows)
        click.echo(f"{len(rows)} of {total} measurements", err=True)


@db.command()
@readable_db_option
@click.argument("file")
@filter_options
def export(db: str | None, file: str, **options: Any) -> None:
    """Write measurements to FILE: .csv, .parquet, .jsonl, .jsonl.gz or .sqlite."""
    refuse_empty()
    with LatencyStore.open(db, create=False) as store:
        chosen = filters(store, **options)
        if not store.count(**chosen):
            raise UsageError(f"no measurement in {store.location} matches", "See what there is: hwnas db query")
        click.echo(f"{file}: {write_export(store, file, chosen)} written")


@db.command("import")
@db_option
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def import_files(db: str | None, files: tuple[str, ...]) -> None:
    """Add the measurements of FILE...; what is already there is not added again."""
    refuse_empty()
    with LatencyStore.open(db) as store:
        for file in files:
            _print_result(file, import_file(store, file))


@db.command()
@db_option
@click.argument("others", nargs=-1, required=True, metavar="OTHER_DB...")
def merge(db: str | None, others: tuple[str, ...]) -> None:
    """Add the measurements of OTHER_DB..., which stay as they are."""
    refuse_empty()
    with LatencyStore.open(db) as store:
        for location in others:
            with LatencyStore.open(location, create=False, read_only=True) as other:
                _print_result(other.location, merge_stores(store, other))


def _summary(stored: StoredMeasurement) -> dict[str, Any]:
    m = stored.measurement
    workload = workload_values(m.workload, stored.macs, stored.parameters)
    return {
        "uid": m.uid,
        "environment": stored.environment,
        "campaign": stored.campaign,
        "workload": m.workload.label,
        **{name: workload[name] for name in _WORKLOAD},
        "backend": m.backend,
        "threads": m.threads,
        "pass_index": m.pass_index,
        "status": str(m.status),
        "reason": " ".join(m.reason.split()),  # one line
        "median_s": stored.median_s,
        "sample_count": stored.sample_count,
        "peak_memory_bytes": m.peak_memory_bytes,
        "counters": [c.to_dict() for c in m.counters],
        "created_at": m.created_at,
    }


def _print_measurements(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["median"] = format_seconds(row["median_s"]) if row["median_s"] is not None else row["reason"]
    columns = ["workload", "backend", "threads", "pass_index", "status", "median", "sample_count"]
    if any(row["counters"] for row in rows):
        columns.append("llc_misses")
        for row in rows:
            row["llc_misses"] = ", ".join(_misses(c) for c in row["counters"] if c["event"] == LLC_MISSES)
    if len({row["environment"] for row in rows}) > 1:
        # Latencies of different machines in one list: say which is whose.
        columns.insert(0, "environment")
    _print_table("", columns, rows)


def _misses(counter: Mapping[str, Any]) -> str:
    """A count with its source: ``2.06 M (callgrind 4194304,16,64)``."""
    where = " ".join(part for part in (counter["source"], counter["geometry"]) if part)
    value = "not counted" if counter["value"] is None else format_count(counter["value"])
    return f"{value} ({where})"


def _print_table(title: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for name in columns:
        number = isinstance(rows[0][name], int)
        table.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        # Text: a reason may hold brackets, which are markup in a plain string.
        table.add_row(*(Text(str(row[name])) for name in columns))
    # A pipe has no width; do not cut what a program or a file gets.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, _SUMMARY, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)


def _print_result(source: str, result: ImportResult) -> None:
    line = f"{source}: {result.added} added, {result.already_there} already there"
    if result.counters:
        line += f" ({result.counters} of their counters {'are' if result.counters > 1 else 'is'} new)"
    if result.cell_taken:
        line += f", {result.cell_taken} left out (this database has its own measurement of the same cell)"
    click.echo(line)
