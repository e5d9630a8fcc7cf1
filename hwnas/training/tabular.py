"""Accuracies that were measured already: a table of architectures."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, Report

#: Unit of a column -> what 1 is in it.
UNITS = {"share": 1.0, "percent": 100.0}
#: With the mark that spreadsheets put before the first column, or without.
_ENCODING = "utf-8-sig"


class TabularEvaluator:
    """Looks accuracies up; it trains nothing, and knows neither seeds nor epochs.

    Attributes:
        seeded: False.

    Args:
        path: CSV with a head line, plain or ``.gz``.
        architecture: Column of the architectures, written as their search space writes them.
        accuracy: Column of the accuracies.
        unit: Theirs, one of :data:`UNITS`.

    Raises:
        UnknownName: No such column or unit.
        UsageError: The file cannot be read; the message names its line.
    """

    seeded = False

    def __init__(self, path: str | Path, *, architecture: str, accuracy: str, unit: str = "share") -> None:
        if unit not in UNITS:
            raise UnknownName("unit of accuracies", unit, UNITS)
        self._path = Path(path)
        self._accuracies: dict[str, float] = {}
        for line, row in self._rows((architecture, accuracy)):
            name, text = (row[column] or "" for column in (architecture, accuracy))
            where = f"{path}, line {line}"
            try:
                value = float(text) / UNITS[unit]
            except ValueError as error:
                raise UsageError(f"{where}: the accuracy {text!r} is not a number", "Correct it") from error
            if not 0 <= value <= 1:
                raise UsageError(
                    f"{where}: the accuracy {text} is out of range for the unit {unit}",
                    f"Units: {', '.join(UNITS)}",
                )
            if self._accuracies.setdefault(name.strip(), value) != value:
                raise UsageError(f"{where}: another accuracy of {name.strip()!r}", "Keep one line of it")
        if not self._accuracies:
            raise UsageError(f"{path} has no line below its head", "Give a table of architectures")

    def _rows(self, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str | None]]]:
        try:
            with self._open() as file:
                reader = csv.DictReader(file)
                for column in columns:
                    if column not in (reader.fieldnames or ()):
                        raise UnknownName(f"column of {self._path}", column, reader.fieldnames or ())
                for row in reader:
                    yield reader.line_num, row
        except OSError as error:
            raise UsageError(
                f"{self._path} cannot be read: {error.strerror or error}", "Check the path"
            ) from error
        except (csv.Error, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise UsageError(f"{self._path} cannot be read: {error}", "Is it a CSV file?") from error

    def _open(self) -> TextIO:
        if self._path.suffix == ".gz":
            return cast(TextIO, gzip.open(self._path, "rt", encoding=_ENCODING, newline=""))
        return self._path.open(encoding=_ENCODING, newline="")

    def __len__(self) -> int:
        """Architectures."""
        return len(self._accuracies)

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        """See :class:`hwnas.training.accuracy.AccuracyEvaluator`; nothing is reported.

        Raises:
            UsageError: The table does not have the architecture.
        """
        name = str(workload.params.get("architecture", workload.name))
        if name not in self._accuracies:
            example = next(iter(self._accuracies))
            raise UsageError(
                f"the table {self._path} has no architecture {name!r}",
                f"It has {len(self)}, such as {example!r}",
            )
        return Accuracy(self._accuracies[name])
