"""Finds the data folders that ship with hwnas.

A wheel carries them inside the package; a checkout and an editable install have them
beside it, because force-included files exist in a built wheel only.
"""

from __future__ import annotations

from pathlib import Path

from hwnas.core.errors import HwnasError, UnknownName

_PACKAGE = Path(__file__).resolve().parent.parent


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
    """
    own = Path(name)
    if own.is_file():
        return own
    shipped = {p.stem: p for p in sorted(data_folder(folder).glob(f"*{suffix}"))}
    stem = name.removesuffix(suffix)
    if stem in shipped:
        return shipped[stem]
    raise UnknownName(folder.replace("_", " ").removesuffix("s"), name, shipped)
