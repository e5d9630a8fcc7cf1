"""Finds the data folders that ship with hwnas.

A wheel carries them inside the package; a checkout and an editable install have them
beside it, because force-included files exist in a built wheel only.
"""

from __future__ import annotations

import stat
from pathlib import Path

from hwnas.core.errors import HwnasError, UnknownName, UsageError

_PACKAGE = Path(__file__).resolve().parent.parent


def is_file(path: Path) -> bool:
    """Whether a plain file, or a link to one, is there.

    Unlike :meth:`pathlib.Path.is_file`, the same on every Python where that cannot be seen.

    Raises:
        UsageError: The system does not tell: a folder that may not be entered, say, or too long a name.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError as error:
        raise UsageError(f"{str(path)!r} is not a path: {error}", "Correct it") from error
    except OSError as error:
        raise UsageError(
            f"cannot look at {path}: {error.strerror}", "Check the path and its folders' permissions"
        ) from error


def data_folder(name: str) -> Path:
    """The folder ``experiments``, ``search_spaces`` or ``latency_db`` of this installation.

    Raises:
        HwnasError: The installation lacks it.
    """
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise HwnasError(f"this installation of hwnas lacks its data folder {name!r}", "Install hwnas again")


def find_data_file(folder: str, name: str, suffix: str) -> Path:
    """A user's own file, or a shipped one by its bare name.

    Args:
        folder: Data folder to look in for bare names, for example ``"experiments"``.
        name: Path of a file, or a shipped file's name with or without `suffix`.
        suffix: For example ``".yaml"``.

    Raises:
        UnknownName: Neither a file nor a shipped name.
        UsageError: Whether the file exists cannot be seen.
    """
    own = Path(name)
    if is_file(own):
        return own
    shipped = {p.stem: p for p in sorted(data_folder(folder).glob(f"*{suffix}"))}
    stem = name.removesuffix(suffix)
    if stem in shipped:
        return shipped[stem]
    raise UnknownName(folder.replace("_", " ").removesuffix("s"), name, shipped)
