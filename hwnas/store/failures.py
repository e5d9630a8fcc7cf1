"""What a database driver reports, as one line with a way out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from hwnas.core.errors import DatabaseError
from hwnas.store.location import Location

DAMAGED = (
    "the file is damaged",
    "Restore a copy, or save what is left with: sqlite3 FILE .recover | sqlite3 NEW.sqlite",
)

_KEPT = "what was stored before is kept"

#: SQLite's extended code for a file whose interrupted transaction must first be undone.
_NEEDS_RECOVERY = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY)

#: Primary result code of SQLite -> what is wrong with the database, and the way out.
_SQLITE = {
    sqlite3.SQLITE_FULL: ("the disk is full", f"Free some space and start again; {_KEPT}"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "Make it writable, or give another one with --db"),
    sqlite3.SQLITE_BUSY: ("another program keeps it locked", f"Wait for that program and start again; {_KEPT}"),
    sqlite3.SQLITE_LOCKED: (
        "another program keeps it locked",
        f"Wait for that program and start again; {_KEPT}",
    ),
    sqlite3.SQLITE_NOTADB: ("it is not a SQLite database", "Give another file with --db"),
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "Check that the file exists, that you may read it, and that you may write to its folder",
    ),
    sqlite3.SQLITE_PERM: ("access is denied", "Check the permissions of the file and of its folder"),
    sqlite3.SQLITE_IOERR: ("reading or writing failed", f"Check the disk and its free space; {_KEPT}"),
    sqlite3.SQLITE_TOOBIG: ("a value is too large for it", "Measure with a smaller budget"),
}

#: SQLSTATE, or its first two digits, of PostgreSQL.
_POSTGRESQL = {
    "53100": ("the server's disk is full", f"Free some space there and start again; {_KEPT}"),
    "53": ("the server lacks resources", f"Start again later; {_KEPT}"),
    "23505": ("another program has written the same at the same time", f"Start again; {_KEPT}"),
    "25006": ("it is read-only", "Give a database you may write with --db"),
    "42501": ("access is denied", "Ask for the right to create and write tables"),
    "28": ("the server refuses the login", "Check user and password in the URL"),
    "3D": ("the server has no such database", "Create it with createdb, or correct the URL"),
    "55P03": ("another program keeps it locked", f"Wait for that program and start again; {_KEPT}"),
    "57": ("the server is shutting down", f"Start again when it is back; {_KEPT}"),
}


@contextmanager
def explained(location: Location) -> Iterator[None]:
    """Turn a failure of the driver inside the block into an error of ours.

    Raises:
        DatabaseError: The database could not be read or written.
    """
    try:
        yield
    except DBAPIError as error:
        what, hint = _reason(error.orig)
        raise DatabaseError(f"latency database {location}: {what}", hint) from error


def _reason(cause: BaseException | None) -> tuple[str, str]:
    detail = " ".join(str(cause).split())
    if isinstance(cause, sqlite3.Error):
        # An error that Python's module raises itself, such as for a closed connection, has no code.
        code = getattr(cause, "sqlite_errorcode", -1)
        if code in _NEEDS_RECOVERY:
            return (
                "an interrupted write must be undone first",
                "Run once, with write access: hwnas db info --db FILE",
            )
        return _SQLITE.get(code & 0xFF, (detail, f"Nothing was changed; {_KEPT}"))
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return f"no connection to the server ({detail})", "Check that it runs, and the host and port in the URL"
    known = _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    return known or (f"{detail} (SQLSTATE {state})", f"Nothing was changed; {_KEPT}")
