"""Connects to a latency database and makes sure that it can be used."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from hwnas.core.errors import DatabaseError, MissingDependency
from hwnas.store.failures import explained
from hwnas.store.location import Location
from hwnas.store.rows import from_json, to_json
from hwnas.store.schema import read_revision
from hwnas.store.tables import SCHEMA_REVISION

#: How long a statement waits for another process that writes [s].
BUSY_TIMEOUT_S = 30.0

#: Execution option of connections that will write. SQLite then takes the write lock at
#: once: a transaction that reads first and asks for the lock later can fail half-way.
WRITING = "hwnas_writing"


def connect(location: Location, *, create: bool, read_only: bool) -> Engine:
    """An engine for a database that exists, is ours and has the newest schema.

    Args:
        location: Where it is.
        create: Make the file with its folders, or the tables, where they do not exist yet.
        read_only: Open it so that nothing can be written; it is not migrated either.

    Raises:
        DatabaseError: It is missing, a directory, damaged, of another program, of a newer
            hwnas, or cannot be reached, created or migrated.
        MissingDependency: PostgreSQL without psycopg.
    """
    create = create and not read_only
    if location.url is not None:
        engine = _postgresql(location.url, read_only=read_only)
    elif location.path is not None:
        _check_file(location.path, create=create)
        # Never SQLite's own "create": a file that was moved away must not come back empty.
        uri = f"{location.path.as_uri()}?mode={'ro' if read_only else 'rw'}"
        # NullPool opens the file for each transaction, so that a replaced file is noticed.
        engine = _sqlite(uri, poolclass=NullPool)
    else:
        # The database lives as long as its one connection, for which threads take turns.
        engine = _sqlite("file::memory:", poolclass=QueuePool, pool_size=1, max_overflow=0)
    with ExitStack() as after_failure:
        after_failure.callback(engine.dispose)
        with explained(location):
            _prepare(engine, location, create=create, read_only=read_only)
        after_failure.pop_all()
    return engine


def _check_file(path: Path, *, create: bool) -> None:
    try:
        if path.is_dir():
            raise DatabaseError(f"{path} is a directory, not a latency database", "Give a file in it with --db")
        if path.exists():
            return
        if not create:
            raise _missing(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        what = "created" if create else "opened"
        raise DatabaseError(
            f"latency database {path} cannot be {what} ({error.strerror})", "Give another file with --db"
        ) from error


def _missing(location: Location | Path) -> DatabaseError:
    return DatabaseError(
        f"there is no latency database at {location}", "Run hwnas measure first, or give one with --db"
    )


def _sqlite(uri: str, **pool: Any) -> Engine:
    def open_file() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # the module leaves BEGIN to us
            check_same_thread=False,  # the pool gives a connection to one thread at a time
        )
        connection.execute("PRAGMA foreign_keys = ON")
        # With the default rollback journal a committed transaction survives a power cut. Not
        # WAL: it needs shared memory and a writable folder, which network file systems and
        # shipped tables do not have.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    engine = create_engine(
        "sqlite://", creator=open_file, json_serializer=to_json, json_deserializer=from_json, **pool
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: URL, *, read_only: bool) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=True, json_serializer=to_json, json_deserializer=from_json)
    except ImportError as error:
        raise MissingDependency(
            "PostgreSQL needs the package psycopg", "Run: pip install 'hwnas[postgresql]'"
        ) from error
    return engine.execution_options(postgresql_readonly=True) if read_only else engine


def _prepare(engine: Engine, location: Location, *, create: bool, read_only: bool) -> None:
    with engine.connect() as connection:
        revision = read_revision(connection, location)
    if revision == SCHEMA_REVISION:
        return
    if revision is None and not create:
        raise _missing(location)

    from hwnas.store import migrating  # only here: most databases need no migration

    if revision is not None and read_only:
        migrating.refuse_newer(revision, location)
        raise DatabaseError(
            f"latency database {location} was written by an older hwnas (its schema is {revision})",
            f"Bring it up to date once, with write access: hwnas db info --db {location}",
        )
    with engine.connect().execution_options(**{WRITING: True}) as connection, connection.begin():
        migrating.upgrade(connection, location)
