"""Which revision of our schema a database has, if it is ours."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from hwnas.core.errors import DatabaseError
from hwnas.store.location import Location
from hwnas.store.tables import APPLICATION_ID, VERSION_TABLE, metadata


def read_revision(connection: Connection, location: Location) -> str | None:
    """The revision a database is at, or None where it is still empty.

    Raises:
        DatabaseError: It belongs to another program.
    """
    tables = set(inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite":
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        # An SQLite file belongs to one program; a PostgreSQL schema may well be shared.
        foreign = mark not in (0, APPLICATION_ID) or (mark == 0 and bool(tables))
    else:
        foreign = VERSION_TABLE not in tables and not tables.isdisjoint(metadata.tables)
    if foreign:
        names = ", ".join(sorted(tables)[:4]) or "none"
        raise DatabaseError(
            f"{location} is a database of another program (its tables: {names})",
            "Give hwnas a database of its own with --db",
        )
    if VERSION_TABLE not in tables:
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return revision
