"""Temporary folders that workers share, and what killed campaigns left of theirs; temporary files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from hwnas.core.errors import HwnasError

_PREFIX = "hwnas-"
#: Process numbers of another container say nothing here: what was used lately is left alone.
_UNUSED_S = 86400.0


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for what the workers of one campaign share; it goes with the campaign.

    Folders of the same user whose processes were killed a day ago or earlier go now.

    Raises:
        HwnasError: The folder for temporary files is full or cannot be written.
    """
    try:
        _sweep(Path(tempfile.gettempdir()))
        return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid():010d}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(error) from error


def scratch_file() -> IO[bytes]:
    """A file that no folder shows; it goes when it is closed.

    Raises:
        HwnasError: The folder for temporary files is full or cannot be written.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> HwnasError:
    # Where no folder has room, Python has not chosen one, and its error lists those that it has tried.
    place = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
    return HwnasError(
        f"nothing temporary can be kept{place}: {error}",
        "Free some space there, or name another folder with TMPDIR",
    )


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not pid.isdecimal() or psutil.pid_exists(int(pid)):
            continue
        try:
            status = folder.lstat()
        except OSError:
            continue  # somebody else swept it
        if status.st_uid == os.getuid() and time.time() - status.st_mtime > _UNUSED_S:
            shutil.rmtree(folder, ignore_errors=True)
