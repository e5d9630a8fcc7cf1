"""Where a latency database is: a SQLite file, a PostgreSQL server, or this process' memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hwnas.core.errors import UsageError

#: Names the database of a user who gives no `--db`.
VARIABLE = "HWNAS_DB"

#: Stands for the tables that come with hwnas (:mod:`hwnas.store.shipped`), so a file cannot be called so.
SHIPPED = "shipped"

#: Stands for a database that ends with the process.
MEMORY = "sqlite://"

_EXAMPLE = "Write a path, or a URL such as postgresql://user@host/database"


@dataclass(frozen=True)
class Location:
    """A resolved location, in memory where both fields are None.

    ``str()`` gives it for people, without password.

    Args:
        path: The SQLite file, or None.
        url: The PostgreSQL database, or None.
        name: For people, where it is in memory.
    """

    path: Path | None = None
    url: URL | None = field(default=None, repr=False)  # its query may hold a password
    name: str = MEMORY

    def __str__(self) -> str:
        if self.url is None:
            return self.name if self.path is None else str(self.path)
        # libpq takes options, and with them passwords, in the query part too.
        return self.url.set(query={}).render_as_string(hide_password=True).replace("+psycopg", "", 1)


def default_location() -> str:
    """``$HWNAS_DB`` where it is set, else a file in the platform's folder for user data."""
    folder = Path(platformdirs.user_data_dir("hwnas", appauthor=False))
    return os.environ.get(VARIABLE) or str(folder / "latency.sqlite")


def resolve(location: str | Path | None) -> Location:
    """What a user's `--db` means; None stands for :func:`default_location`.

    Raises:
        UsageError: The word ``shipped``, which is no place to write to, or a URL that is not understood.
    """
    text = str(location) if location is not None else default_location()
    if text == SHIPPED:
        raise UsageError(
            f"{SHIPPED!r} stands for the tables that come with hwnas, which can be read only",
            f"For a file of that name, write ./{SHIPPED}",
        )
    if "://" not in text:
        return _file(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The message would repeat the URL, and with it the password.
        raise UsageError("the database URL cannot be read", _EXAMPLE) from None
    dialect = url.drivername.partition("+")[0]
    if dialect == "sqlite":
        in_memory = url.database in (None, "", ":memory:")
        return Location() if in_memory else _file(url.database or "")
    if dialect in ("postgresql", "postgres"):
        return Location(url=url.set(drivername="postgresql+psycopg"))
    raise UsageError(f"the database URL starts with {dialect!r}, but sqlite and postgresql are known", _EXAMPLE)


def _file(text: str) -> Location:
    if not text.strip() or "\0" in text:
        raise UsageError(f"the database path {text!r} is not a file name", _EXAMPLE)
    try:
        return Location(path=Path(text).expanduser().absolute())
    except RuntimeError as error:  # ~nobody
        raise UsageError(f"the database path {text!r} cannot be read: {error}", _EXAMPLE) from error


def location_text(location: str | Path | None) -> str:
    """A user's `--db` as a path or URL that :func:`resolve` takes, whatever the environment says later.

    With the password, where there is one: not for people.

    Raises:
        UsageError: As :func:`resolve`.
    """
    found = resolve(location)
    if found.path is not None:
        return str(found.path)
    return MEMORY if found.url is None else found.url.render_as_string(hide_password=False)
