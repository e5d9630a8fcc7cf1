"""Brings a database to the newest revision of the schema, by Alembic's migrations.

A module of its own, because Alembic takes longer to import than a query takes.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hwnas.core.errors import DatabaseError
from hwnas.store.location import Location
from hwnas.store.schema import read_revision
from hwnas.store.tables import APPLICATION_ID, SCHEMA_REVISION

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, location: Location) -> None:
    """Bring an empty or older database to the newest revision, within the caller's transaction.

    A SQLite file that holds an older revision is copied to ``NAME.bak-REVISION`` before.

    Raises:
        DatabaseError: The database is newer than this hwnas, belongs to another program or
            cannot be copied.
    """
    if connection.dialect.name == "postgresql":
        # Two programs that open a new database at once take turns; ends with the transaction.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPLICATION_ID})
    revision = read_revision(connection, location)
    if revision == SCHEMA_REVISION:
        return
    if revision is not None:
        refuse_newer(revision, location)
        if location.path is not None:
            _back_up(location.path, revision)
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    config = _configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def refuse_newer(revision: str, location: Location) -> None:
    """Stop at a revision that this hwnas has never heard of.

    Raises:
        DatabaseError: `revision` is none of our migrations.
    """
    scripts = ScriptDirectory.from_config(_configuration()).walk_revisions()
    if revision not in {script.revision for script in scripts}:
        raise DatabaseError(
            f"latency database {location} was written by a newer hwnas"
            f" (its schema is {revision}, ours is {SCHEMA_REVISION})",
            "Run: pip install --upgrade hwnas",
        )


def _configuration() -> Config:
    config = Config()
    # Alembic reads this through configparser, to which a percent sign is special.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _back_up(path: Path, revision: str) -> None:
    """Copy a database that only the caller may write now; earlier copies stay."""
    target = path.with_name(f"{path.name}.bak-{revision}")
    # Has the copy's name once it is whole: who needs it must not find half of one.
    part = path.with_name(f"{path.name}.bak-{revision}.part")
    count = 1
    try:
        while target.exists():
            count += 1
            target = path.with_name(f"{path.name}.bak-{revision}-{count}")
        part.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)
        part.replace(target)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink()
        raise DatabaseError(
            f"latency database {path} cannot be copied to {target.name} before its migration ({error})",
            "Free some space or make its folder writable; the database is unchanged",
        ) from error
