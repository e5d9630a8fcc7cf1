"""JSON lines, plain or compressed: one measurement a line, nothing lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO, cast

from hwnas.core.errors import UsageError
from hwnas.store import entry_json
from hwnas.store.records import Entry
from hwnas.store.rows import to_json


def write(path: Path, entries: Iterable[Entry]) -> int:
    """Write `entries` and return how many there were; ``.gz`` in the name compresses.

    Raises:
        OSError: The file cannot be written.
    """
    count = 0
    with _open(path, "wt") as file:
        for count, entry in enumerate(entries, start=1):  # noqa: B007 - the last count is the result
            file.write(to_json(entry_json.to_dict(entry)) + "\n")
    return count


def read(path: Path) -> Iterator[Entry]:
    """The entries of a file, line by line.

    Raises:
        EOFError, OSError, UnicodeDecodeError, zlib.error: The file cannot be read.
        UsageError: A line is not what :func:`write` writes.
    """
    with _open(path, "rt") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                data = json.loads(line)
            except json.JSONDecodeError as error:
                raise UsageError(
                    f"{where}, column {error.colno}: not JSON ({error.msg})",
                    "Is the file cut off? Export it again",
                ) from error
            except ValueError as error:
                raise UsageError(f"{where}: a number of too many digits", "Export the file again") from error
            if not isinstance(data, dict):
                raise UsageError(f"{where}: not a JSON object", "Give a file that hwnas db export wrote")
            yield entry_json.from_dict(data, where)


def _open(path: Path, mode: str) -> TextIO:
    if path.name.endswith(".gz"):
        return cast(TextIO, gzip.open(path, mode, encoding="utf-8"))
    return cast(TextIO, path.open(mode, encoding="utf-8"))
