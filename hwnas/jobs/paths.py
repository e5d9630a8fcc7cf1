"""Files and folders of a search's options, as they stay true in another working directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hwnas.core.resources import is_file
from hwnas.jobs.options import SearchOptions

_TABLE = "table:"


def with_absolute_paths(options: SearchOptions) -> SearchOptions:
    """The same options, every relative path made absolute; names stay names.

    Raises:
        UsageError: A path cannot be looked at.
    """
    data = options.data
    if data is not None and ":" in data:
        kind, _, folder = data.partition(":")
        data = f"{kind}:{_absolute(folder)}"
    accuracy = options.accuracy
    if accuracy.startswith(_TABLE):
        file, comma, rest = accuracy.removeprefix(_TABLE).partition(",")
        accuracy = f"{_TABLE}{_absolute(file)}{comma}{rest}"
    return replace(
        options,
        space=_space(options.space),
        data=data,
        accuracy=accuracy,
        predictor=None if options.predictor is None else _absolute(options.predictor),
        start=_absolute(options.start) if options.start and Path(options.start).is_dir() else options.start,
    )


def _space(name: str) -> str:
    """A space's file may have what fits it to other images behind an @."""
    base, at, fit = name.rpartition("@")
    if at and not is_file(Path(name)):
        return f"{_space(base)}@{fit}"
    return _absolute(name) if is_file(Path(name)) else name


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())
