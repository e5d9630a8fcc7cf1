"""Carries measurements between databases and files.

| suffix | what it is for |
|---|---|
| `.jsonl`, `.jsonl.gz` | exchange and archives: one measurement a line |
| `.csv`, `.parquet` | spreadsheets and data frames: flat columns, samples as JSON |
| `.sqlite` | a database of its own |

All of them keep everything, so all of them can be imported.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.resources import is_file
from hwnas.store import flat_tables, json_lines
from hwnas.store.latency_store import LatencyStore
from hwnas.store.records import CampaignRecord, Entry, Filters, ImportResult, StoredMeasurement
from hwnas.store.writing import CellTakenError


class _Format(NamedTuple):
    write: Callable[[Path, Iterable[Entry]], int]
    read: Callable[[Path], Iterator[Entry]] | None  #: None for a database, which is merged


def export(store: LatencyStore, path: str | Path, filters: Filters | None = None) -> int:
    """Write the measurements that `filters` admit to a file in the format of its suffix.

    A file of that name is replaced, once the new one is complete; a database is not.

    Returns:
        How many measurements were written.

    Raises:
        DatabaseError: The database cannot be read.
        UnknownName: The suffix stands for no format.
        UsageError: The file cannot be written, or is a database.
    """
    target = Path(path)
    chosen = _format(target)
    if chosen.write is _write_database and is_file(target):
        raise UsageError(
            f"{target} exists", f"To add to it, run: hwnas db merge --db {target} {store.location}"
        )
    with _replacing(target) as part:
        return chosen.write(part, entries(store, filters))


def import_file(store: LatencyStore, path: str | Path) -> ImportResult:
    """Add the measurements of a file to a database: all of them or, after an error, none.

    Raises:
        DatabaseError: The database cannot be written.
        UnknownName: The suffix stands for no format.
        UsageError: The file cannot be read; the message names its line and field.
    """
    source = Path(path)
    read = _format(source).read
    if read is None:
        with LatencyStore.open(source, create=False, read_only=True) as other:
            return merge(store, other)
    try:
        return _take_in(store, read(source))
    except (EOFError, OverflowError, RecursionError, UnicodeDecodeError, zlib.error) as error:
        raise UsageError(
            f"{source} is damaged or not what its suffix says ({error})", "Export it again"
        ) from error
    except OSError as error:
        raise UsageError(f"{source} cannot be read ({error.strerror or error})", "Check the path") from error


def merge(store: LatencyStore, other: LatencyStore) -> ImportResult:
    """Add the measurements of another database: all of them or, after an error, none.

    Raises:
        DatabaseError: One of the databases cannot be used.
        UsageError: Both are the same.
    """
    if _is_same(store, other):
        raise UsageError(f"{other.location} is the database itself", "Give another one to merge")
    return _take_in(store, entries(other))


def entries(store: LatencyStore, filters: Filters | None = None) -> Iterator[Entry]:
    """The measurements that `filters` admit, each with its environment and campaign.

    Raises:
        DatabaseError: The database cannot be read.
    """
    around = _Around.of(store)
    for stored in store.measurements(**(filters or {})):
        if not around.knows(stored):
            # Another process has begun a campaign meanwhile.
            around = _Around.of(store)
        yield Entry(
            measurement=stored.measurement,
            environment=around.environments[stored.environment],
            campaign=around.campaigns[stored.campaign_uid] if stored.campaign_uid else None,
            macs=stored.macs,
            parameters=stored.parameters,
            canary_reference=around.references.get((stored.environment, stored.measurement.protocol)),
        )


@dataclass(frozen=True)
class _Around:
    """What measurements belong to: environments by fingerprint, campaigns by uid, canary references [s]."""

    environments: Mapping[str, Environment]
    campaigns: Mapping[str, CampaignRecord]
    references: Mapping[tuple[str, str], Mapping[str, float]]

    @classmethod
    def of(cls, store: LatencyStore) -> _Around:
        return cls(
            {e.fingerprint: e for e, _ in store.environments()},
            {record.uid: record for record, _ in store.campaigns()},
            store.canary_references(),
        )

    def knows(self, stored: StoredMeasurement) -> bool:
        uid = stored.campaign_uid
        return stored.environment in self.environments and (uid is None or uid in self.campaigns)


def _take_in(store: LatencyStore, arriving: Iterable[Entry]) -> ImportResult:
    added = already_there = cell_taken = 0
    with store.writing() as writer:
        for entry in arriving:
            try:
                new = writer.entry(entry)
            except CellTakenError:
                cell_taken += 1
            else:
                added += new
                already_there += not new
        writer.campaigns.settle_generations()
    return ImportResult(added, already_there, cell_taken, writer.counters_completed)


def _write_database(path: Path, written: Iterable[Entry]) -> int:
    # Made here: where that fails, opening it would name this unfinished file, and --db as the way out.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with LatencyStore.open(path) as target:
        return _take_in(target, written).added


def _write_parquet(path: Path, written: Iterable[Entry]) -> int:
    from hwnas.store import parquet  # pyarrow is needed for this format only

    return parquet.write(path, written)


def _read_parquet(path: Path) -> Iterator[Entry]:
    from hwnas.store import parquet

    return parquet.read(path)


_FORMATS = {
    ".jsonl": _Format(json_lines.write, json_lines.read),
    ".jsonl.gz": _Format(json_lines.write, json_lines.read),
    ".csv": _Format(flat_tables.write_csv, flat_tables.read_csv),
    ".parquet": _Format(_write_parquet, _read_parquet),
    ".sqlite": _Format(_write_database, None),
}


def _format(path: Path) -> _Format:
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if suffix not in _FORMATS:
        raise UnknownName("suffix of a file of measurements", path.name, _FORMATS)
    return _FORMATS[suffix]


def _is_same(store: LatencyStore, other: LatencyStore) -> bool:
    ours, theirs = store.database.location, other.database.location
    if ours.path is not None and theirs.path is not None:
        return ours.path.samefile(theirs.path)
    # Two databases in memory look the same without being so.
    return store is other or (ours.url is not None and ours.url == theirs.url)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A new file that takes the place of `target` when the block ends well."""
    # The suffix stays: it tells whether to compress.
    part = target.with_name(f".part-{os.getpid()}-{target.name}")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written ({error.strerror or error})", "Give another file"
        ) from error
    finally:
        # Where its folder is none, or its name is too long, it was never made.
        with suppress(OSError):
            part.unlink()
