"""An open database: transactions, and what there is to know of it as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text

from hwnas.core.errors import DatabaseError
from hwnas.store import tables
from hwnas.store.failures import DAMAGED, explained
from hwnas.store.location import Location
from hwnas.store.opening import WRITING
from hwnas.store.schema import read_revision


class Database:
    """Transactions on one database.

    Args:
        engine: As :func:`hwnas.store.opening.connect` made it.
        location: Where it is; ``str(location)`` shows no password.
    """

    def __init__(self, engine: Engine, location: Location) -> None:
        self._engine = engine
        self.location = location

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None where there is none."""
        return self.location.path

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored when the block ends, and undone when it raises.

        Raises:
            DatabaseError: The database cannot be written.
        """
        with (
            explained(self.location),
            self._engine.connect().execution_options(**{WRITING: True}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database.

        Raises:
            DatabaseError: The database cannot be read.
        """
        with explained(self.location), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                # Its usual level shows every statement what was committed last; SQLite keeps to the first look.
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def revision(self) -> str:
        """Revision of the schema."""
        with self.reading() as connection:
            return read_revision(connection, self.location) or ""

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        with self.reading() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in tables.metadata.tables.items()
            }

    def size_bytes(self) -> int:
        """Size of the file, or of the whole database on a server [B]."""
        with self.reading() as connection:
            if connection.dialect.name == "postgresql":
                return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
            pages, page_bytes = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("page_count", "page_size")
            )
            return int(pages * page_bytes)

    def check(self) -> None:
        """Read a whole SQLite file in search of damage; a server looks after that itself.

        Raises:
            DatabaseError: The file is damaged.
        """
        with self.reading() as connection:
            if connection.dialect.name != "sqlite":
                return
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if found != "ok":
            what, hint = DAMAGED
            detail = " ".join(str(found).split())
            raise DatabaseError(f"latency database {self.location}: {what} ({detail})", hint)
