"""How a search begins, and how it is found again: its folder and its database."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from hwnas.core.errors import HwnasError, UsageError
from hwnas.jobs.defaults import default_of
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.options import CHANGEABLE, SearchOptions
from hwnas.store import LatencyStore
from hwnas.store.location import location_text, resolve


def declared_anew(
    folder: SearchFolder, options: SearchOptions, study: str, db: str | None
) -> tuple[Declared, str]:
    """Begin a search in a folder.

    Args:
        folder: Empty or not there.
        options: Of the search.
        study: Name of its study.
        db: As ``--db`` takes it; None for the usual one.

    Returns:
        What the folder says now, and the database as a path or URL with its password.

    Raises:
        UsageError: The folder is taken, or the database would not outlive the process.
    """
    place = resolve(db)
    if place.path is None and place.url is None:
        raise UsageError("a search needs a database that stays", "Give --db a file")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    declared = Declared(options, study, now, str(place))
    folder.begin(declared)
    return declared, location_text(db)


def declared_before(folder: SearchFolder, options: SearchOptions, db: str | None) -> tuple[Declared, str]:
    """Go on with the search in a folder, and keep what is new in its options.

    Args:
        folder: Of the search.
        options: Its own, but for those of :data:`hwnas.jobs.options.CHANGEABLE`.
        db: As ``--db`` takes it; None for that of the search.

    Returns:
        As :func:`declared_anew`.

    Raises:
        UsageError: There is no search, it was begun with other options, or the database is another one.
    """
    before = folder.declared()
    _check_options(folder, before.options, options)
    if db is None and "://" not in before.db:
        place = before.db
    else:
        place = location_text(db)
        if str(resolve(db)) != before.db:
            raise UsageError(
                f"the search in {folder.path} is in the database {before.db}, not in {resolve(db)}",
                "Name its database with --db",
            )
    declared = replace(before, options=options)
    if declared != before:
        folder.declare(declared)
    return declared, place


def _check_options(folder: SearchFolder, begun: SearchOptions, options: SearchOptions) -> None:
    """Refuse to go on with another search: what it found would mean something else."""
    for option in (f.name for f in fields(SearchOptions) if f.name not in CHANGEABLE):
        before, asked = getattr(begun, option), getattr(options, option)
        if asked != before and _value(option, options) != _value(option, begun):
            raise UsageError(
                f"the search in {folder.path} was begun with {option} {before}, not {asked}",
                "Go on with the options that it was begun with, or begin another search in another folder",
            )


def _value(option: str, options: SearchOptions) -> Any:
    found = getattr(options, option)
    return default_of(option, options) if found is None else found


def opened_store(folder: SearchFolder, storage: str, *, begun_now: bool) -> LatencyStore:
    """The latency database of a search; where it cannot be opened, a search that has just begun has not.

    Args:
        folder: Of the search.
        storage: That :func:`declared_anew` or :func:`declared_before` gave.
        begun_now: Whether it was the first of them.

    Raises:
        DatabaseError: It cannot be opened.
        MissingDependency: A package for it is missing.
    """
    try:
        return LatencyStore.open(storage)
    except HwnasError:
        if begun_now:
            folder.abandon()
        raise
