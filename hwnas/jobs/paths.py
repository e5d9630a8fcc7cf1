"""Files and folders of a search's options, as they stay true in another working directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file
from hwnas.jobs.options import SearchOptions

_TABLE, _IN_SPACE = "table:", "space:"


def with_absolute_paths(options: SearchOptions) -> SearchOptions:
    """The same options, every relative path made absolute; names stay names.

    Raises:
        UsageError: A path cannot be read or looked at.
    """
    return replace(options, **{name: absolute(name, getattr(options, name)) for name in _MADE_ABSOLUTE})


def absolute(option: str, value: Any) -> Any:
    """One option's value, a relative path in it made absolute.

    Args:
        option: Name of a field of :class:`hwnas.jobs.options.SearchOptions`.
        value: Its own.

    Raises:
        UsageError: A path cannot be read or looked at.
    """
    make = _MADE_ABSOLUTE.get(option)
    return value if make is None or value is None else make(value)


def _data(name: str) -> str:
    kind, colon, folder = name.partition(":")
    return f"{kind}:{_absolute(folder)}" if colon else name


def _accuracy(name: str) -> str:
    if not name.startswith(_TABLE):
        return name
    file, comma, rest = name.removeprefix(_TABLE).partition(",")
    return f"{_TABLE}{_absolute(file)}{comma}{rest}"


def _start(name: str) -> str:
    if name.startswith(_IN_SPACE):
        # Not to be looked at as a path: an architecture may be longer than the name of any file.
        space, colon, architecture = name.removeprefix(_IN_SPACE).rpartition(":")
        return f"{_IN_SPACE}{_space(space)}{colon}{architecture}" if space else name
    try:
        return _absolute(name) if name and Path(name).is_dir() else name
    except OSError as error:
        raise UsageError(f"cannot look at {name}: {error.strerror}", "Check the path") from error


def _space(name: str) -> str:
    """A space's file may have what fits it to other images behind an @."""
    base, at, fit = name.rpartition("@")
    if at and not is_file(Path(name)):
        return f"{_space(base)}@{fit}"
    return _absolute(name) if is_file(Path(name)) else name


def _absolute(path: str) -> str:
    if not path:
        return path  # not the working directory: whoever needs one says so
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError as error:  # ~nobody
        raise UsageError(f"the path {path!r} cannot be read: {error}", "Check the path") from error


_MADE_ABSOLUTE: dict[str, Callable[[str], str]] = {
    "space": _space,
    "data": _data,
    "accuracy": _accuracy,
    "predictor": _absolute,
    "start": _start,
}
