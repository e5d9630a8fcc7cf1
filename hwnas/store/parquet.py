"""The flat table as a Parquet file, written and read in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet

from hwnas.core.errors import UsageError
from hwnas.store.flat_tables import COLUMNS, check_columns, from_row, to_row
from hwnas.store.records import Entry

#: Rows in one batch: with their samples they take a few megabytes.
_BATCH = 100

_TYPES = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
_SCHEMA = pyarrow.schema([(name, _TYPES[kind]) for name, kind in COLUMNS.items()])


def write(path: Path, entries: Iterable[Entry]) -> int:
    """Write `entries` and return how many there were.

    Raises:
        OSError: The file cannot be written.
    """
    count = 0
    rows = map(to_row, entries)
    # An open file rather than a path: its errors are plain OSErrors.
    with path.open("wb") as file, pyarrow.parquet.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema=_SCHEMA))
            count += len(batch)
    return count


def read(path: Path) -> Iterator[Entry]:
    """The entries of a file, batch by batch.

    Raises:
        OSError: The file cannot be read.
        UsageError: It is damaged, or not what :func:`write` writes.
    """
    try:
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as table:
            check_columns(table.schema_arrow.names, path)
            number = 0
            for batch in table.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield from_row(row, f"{path}, row {number}")
    except pyarrow.ArrowException as error:
        detail = " ".join(str(error).split())
        raise UsageError(f"{path} is not a whole Parquet file ({detail})", "Export it again") from error
