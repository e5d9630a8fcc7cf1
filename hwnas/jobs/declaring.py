"""How a search begins, and how it is found again: its folder and its database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hwnas.core.errors import HwnasError, UsageError
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.options import SearchOptions
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
        options: Its own, or with more trials or time.
        db: As ``--db`` takes it; None for that of the search.

    Returns:
        As :func:`declared_anew`.

    Raises:
        UsageError: There is no search, or the database is another one.
    """
    before = folder.declared()
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
