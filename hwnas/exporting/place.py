"""A folder that appears when all that belongs in it is there, and not before."""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hwnas.core.errors import UsageError
from hwnas.exporting.declaration import read_record
from hwnas.exporting.file_names import ARCHITECTURE

#: What may lie in an export without having been exported: Python leaves it there.
_BY_THE_WAY = {"__pycache__"}


@dataclass
class Place:
    """Where an export goes.

    Args:
        folder: Its final path. An earlier export is replaced.
        force: Whether anything else that is there may be moved aside; it is kept as ``NAME.old``.

    Attributes:
        moved: Where that went; None where nothing was there.

    Raises:
        UsageError: Something else is there, or nobody can see what.
    """

    folder: Path
    force: bool = False
    moved: Path | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # Links and ".." would make the names beside the folder other ones.
        self.folder = self.folder.resolve()
        foreign = _foreign(self.folder)
        if foreign and not self.force:
            raise UsageError(f"{self.folder} {foreign}", "Give another --out, or move it aside with --force")

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """An empty folder, which becomes the final one if the block ends well, and else goes.

        Raises:
            UsageError: It cannot be made, or cannot become the final one.
        """
        parent, name = self.folder.parent, self.folder.name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(parent, name)
            part = parent / f".{name}.part-{os.getpid()}-{secrets.token_hex(4)}"
            part.mkdir()
        except OSError as error:
            raise UsageError(
                f"cannot make a folder in {parent}: {error.strerror}", "Give another --out"
            ) from error
        try:
            yield part
            self._put(part)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _put(self, part: Path) -> None:
        """Two renamings: one makes room, the other fills it."""
        # Something may have come while the files were written.
        foreign = _foreign(self.folder)
        if foreign and not self.force:
            raise UsageError(f"{self.folder} {foreign}", "Give another --out")
        before: Path | None = None
        try:
            _flush(part)
            if foreign:
                before = _free_name(self.folder)
            elif self.folder.exists() and any(self.folder.iterdir()):
                before = part.with_name(f"{part.name}-before")
            if before is not None:
                self.folder.rename(before)
            part.rename(self.folder)
        except OSError as error:
            if before is not None and not self.folder.exists():
                before.rename(self.folder)
            raise UsageError(f"cannot write {self.folder}: {error.strerror}", "Give another --out") from error
        if foreign:
            self.moved = before
        elif before is not None:
            shutil.rmtree(before, ignore_errors=True)


def _foreign(folder: Path) -> str:
    """What is wrong with replacing a folder; empty where nothing is.

    Raises:
        UsageError: That cannot be seen.
    """
    try:
        if not folder.exists():
            return ""
        if not folder.is_dir():
            return "is a file"
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise UsageError(f"cannot look into {folder}: {error.strerror}", "Give another --out") from error
    if not names:
        return ""
    try:
        own = {ARCHITECTURE, *read_record(folder / ARCHITECTURE).get("files", {})}
    except UsageError:
        return "is there, and no export of hwnas"
    others = sorted(names - own - _BY_THE_WAY)
    return f"holds {others[0]}, which is not of an export" if others else ""


def _free_name(folder: Path) -> Path:
    numbers = (f".{number}" if number else "" for number in range(10_000))
    return next(path for end in numbers if not (path := folder.with_name(f"{folder.name}.old{end}")).exists())


def _remove_leftovers(parent: Path, name: str) -> None:
    """Of processes that were killed."""
    for path in parent.glob(f".{glob.escape(name)}.part-*"):
        found = re.fullmatch(r"part-(\d+)-[0-9a-f]{8}(-before)?", path.name.rpartition(".")[2])
        if found and not psutil.pid_exists(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Else a power cut after the renaming could leave empty files."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
