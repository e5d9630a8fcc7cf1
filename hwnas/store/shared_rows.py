"""Rows that others refer to: environments and workloads, each of them once, within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hwnas.core.environment import Environment
from hwnas.core.workload import Workload
from hwnas.store import tables as t
from hwnas.store.rows import workload_values


class SharedRows:
    """Finds or makes them; ids that it has seen are remembered.

    Args:
        connection: In a transaction that may write.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._environments: dict[str, int] = {}
        self._workloads: dict[tuple[str, int | None, int | None], int] = {}

    def environment(self, environment: Environment) -> int:
        """The id of an environment's row, which is made where it is missing."""
        fingerprint = environment.fingerprint
        if fingerprint not in self._environments:
            self._environments[fingerprint] = self._find_or_insert(
                t.environment,
                "fingerprint",
                {
                    "fingerprint": fingerprint,
                    "cpu_model": environment.cpu_model,
                    "description": environment.to_dict(),
                    "created_at": now(),
                },
            )
        return self._environments[fingerprint]

    def workload(self, workload: Workload, macs: int | None, parameters: int | None) -> int:
        """The id of a workload's row, which is made or completed where something is missing."""
        cached = (workload.key, macs, parameters)
        if cached not in self._workloads:
            values = workload_values(workload, macs, parameters)
            row_id = self._find_or_insert(t.workload, "key", values)
            for name, value in (("macs", macs), ("parameters", parameters)):
                if value is not None:
                    column = t.workload.c[name]
                    self._connection.execute(
                        update(t.workload)
                        .where(t.workload.c.id == row_id, column.is_(None))
                        .values({name: value})
                    )
            self._workloads[cached] = row_id
        return self._workloads[cached]

    def locked(self, environment: Environment) -> int:
        """The environment's id; until the transaction ends, no other one gets past this line.

        SQLite locks the whole database already and leaves FOR UPDATE out.
        """
        row_id = self.environment(environment)
        self._connection.execute(
            select(t.environment.c.id).where(t.environment.c.id == row_id).with_for_update()
        )
        return row_id

    def _find_or_insert(self, table: Table, unique: str, values: Mapping[str, Any]) -> int:
        find = select(table.c.id).where(table.c[unique] == values[unique])
        found = self._connection.scalar(find)
        if found is None:
            # Another process may add the same row at this moment.
            dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
            self._connection.execute(dialect.insert(table).values(values).on_conflict_do_nothing())
            found = self._connection.execute(find).scalar_one()
        return int(found)


def now() -> str:
    """The present time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
