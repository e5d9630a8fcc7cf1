"""The folder of a search: what it is, what came out, and every training's weights."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file
from hwnas.jobs.options import SearchOptions

#: Raised where older folders cannot be gone on with.
SCHEMA = "hwnas-search-3"
RESULT = "result.json"
#: What a user's own evaluator has told.
ACCURACIES = "accuracies.json"
_SEARCH = "search.json"
_TRAININGS = "trainings"
_TABLES = "tables"
_PART = ".part-"
_HINT = "Give another folder with --out"


@dataclass(frozen=True)
class Declared:
    """What a folder says that it is.

    Args:
        options: Of the search.
        study: Name of its study.
        started: ISO 8601, UTC.
        db: Where study and latencies are, for people: without a password.
    """

    options: SearchOptions
    study: str
    started: str
    db: str


class SearchFolder:
    """Reads and writes the folder of a search.

    Args:
        path: Made when the search begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def trainings(self) -> Path:
        """Where checkpoints and weights are."""
        return self.path / _TRAININGS

    @property
    def tables(self) -> Path:
        """Where the latency tables of the space are."""
        return self.path / _TABLES

    def is_search(self) -> bool:
        """Whether a search has begun here.

        Raises:
            UsageError: The folder cannot be looked into.
        """
        return is_file(self.path / _SEARCH)

    def begin(self, declared: Declared) -> None:
        """Make the folder and say what it is.

        Raises:
            UsageError: A search or something else is there already, or it cannot be written.
        """
        if self.is_search():
            raise UsageError(
                f"there is a search in {self.path} already",
                f"Go on with it by --resume --out {self.path}, or give another --out",
            )
        try:
            # A file that a kill left unfinished is nobody's.
            others = (
                [p for p in self.path.iterdir() if not p.name.startswith(_PART)] if self.path.exists() else []
            )
        except NotADirectoryError as error:
            raise UsageError(f"{self.path} is a file", _HINT) from error
        except OSError as error:
            raise UsageError(f"cannot look into {self.path}: {error.strerror}", _HINT) from error
        if others:
            raise UsageError(f"{self.path} holds something else than a search", _HINT)
        self.declare(declared)

    def declare(self, declared: Declared) -> None:
        """Say what the folder is, again where the search goes on with more trials.

        Raises:
            UsageError: It cannot be written.
        """
        self.write(
            _SEARCH,
            {
                "schema": SCHEMA,
                "options": declared.options.to_dict(),
                "study": declared.study,
                "started": declared.started,
                "db": declared.db,
            },
        )

    def abandon(self) -> None:
        """Nothing has come of the search: another one may take the folder."""
        (self.path / _SEARCH).unlink(missing_ok=True)
        shutil.rmtree(self.tables, ignore_errors=True)
        (self.path / ACCURACIES).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def declared(self) -> Declared:
        """What :meth:`begin` has said.

        Raises:
            UsageError: No search has begun here, or its file cannot be read.
        """
        if not self.is_search():
            raise UsageError(f"there is no search in {self.path} to go on with", "Leave --resume out")
        told = self.read(_SEARCH)
        try:
            if told["schema"] != SCHEMA:
                raise UsageError(
                    f"the search in {self.path} is of the schema {told['schema']!r}, not {SCHEMA}", _HINT
                )
            options = SearchOptions.from_dict(told["options"])
            return Declared(options, told["study"], told["started"], told["db"])
        except (AttributeError, LookupError, TypeError) as error:
            raise UsageError(f"{self.path / _SEARCH} is damaged: {error!r}", _HINT) from error

    def read(self, name: str) -> dict[str, Any]:
        """A JSON object.

        Raises:
            UsageError: It cannot be read.
        """
        path = self.path / name
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: {error}", "Give the folder of a finished search") from error
        if not isinstance(told, dict):
            raise UsageError(f"{path} is not a JSON object", "Give the folder of a finished search")
        return told

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """A JSON object, complete at any moment or not there.

        Raises:
            UsageError: It cannot be written.
        """
        path = self.path / name
        part = path.with_name(f"{_PART}{name}")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                file.write(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
                file.flush()
                # Else a power cut after the renaming could leave an empty file.
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}", _HINT) from error
