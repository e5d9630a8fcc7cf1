"""Trials of a search and their log: one line of JSON each, kept as soon as it is known.

A search that was killed goes on from its log: strategies are deterministic in their seed, so that the trials
of the log are asked for again, in their order, and answered from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar

SCHEMA = 1


@dataclass(frozen=True)
class Trial:
    """A network that was evaluated.

    Args:
        number: From 0.
        architecture: In its canonical form.
        accuracy: What the evaluator said; None where it failed.
        reason: Why it failed, in one line; empty where it did not.
        beyond: Networks that the limit ruled out since the trial before.
        repeated: Networks that had been tried, since the trial before.
        seconds: Spent on the evaluation [s].
    """

    number: int
    architecture: Mapping[str, Scalar]
    accuracy: float | None
    reason: str = ""
    beyond: int = 0
    repeated: int = 0
    seconds: float = 0.0


class TrialLog:
    """The trials of one search, in a file or in memory alone.

    Args:
        path: A file of JSON lines, made where there is none; None for none.
        about: What the search is; a log of another one is refused.

    Attributes:
        recorded: The trials that the file holds already, in their order.

    Raises:
        UsageError: The file cannot be used, or is of another search.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self.path = path
        self.recorded: tuple[Trial, ...] = ()
        self._file: IO[bytes] | None = None
        if path is None:
            return
        head = {"schema": SCHEMA, **json.loads(json.dumps(dict(about)))}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._file.seek(0)
            text = self._file.read()
            end = text.rfind(b"\n") + 1
            if end:
                self.recorded = _read(path, text[:end].splitlines(), head)
            elif not _line(head).startswith(text):
                raise UsageError(f"{path} is no log of trials", "Name another file, or remove it")
            # What a kill has left unfinished is cut off, now that the file is known to be ours.
            self._file.truncate(end)
            if not end:
                self._write(head)
        except OSError as error:
            self.close()
            raise UsageError(
                f"cannot use the log {path}: {error}", "Give a file that can be written"
            ) from error
        except UsageError:
            self.close()
            raise

    def add(self, trial: Trial) -> None:
        """Keep a trial: it is on disk when this returns.

        Raises:
            UsageError: The disk is full, or the file is gone.
        """
        try:
            self._write(asdict(trial))
        except OSError as error:
            raise UsageError(f"cannot write to {self.path}: {error}", "Make room, and start again") from error

    def _write(self, row: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(_line(row))
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _read(path: Path, lines: list[bytes], head: Mapping[str, Any]) -> tuple[Trial, ...]:
    try:
        found, *rows = map(json.loads, lines)
        trials = tuple(Trial(**row) for row in rows)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} is no log of trials: {error}", "Name another file, or remove it") from error
    if found != head:
        keys = [key for key in head if not isinstance(found, dict) or found.get(key) != head[key]]
        raise UsageError(
            f"{path} is the log of another search: {keys[0] if keys else 'a key'} differs",
            "Name another file, or search as before",
        )
    return trials
