"""The queries of the latency database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, FromClause, Table, false, func, select

from hwnas.core.counter import Counter
from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName
from hwnas.core.kernel import Kernel
from hwnas.store import tables as t
from hwnas.store.records import CampaignRecord, StoredMeasurement
from hwnas.store.rows import COUNTER_COLUMNS, KERNEL_COLUMNS, to_stored

_Part = TypeVar("_Part")

_COLUMNS: dict[str, ColumnElement[Any]] = {
    "uid": t.measurement.c.uid,
    "environment": t.environment.c.fingerprint,
    "campaign_uid": t.campaign.c.uid,
    "kind": t.workload.c.kind,
    "name": t.workload.c.name,
    "architecture": t.workload.c.spec["params", "architecture"].as_string(),
    "backend": t.measurement.c.backend,
    "threads": t.measurement.c.threads,
    "batch": t.workload.c.batch,
    "depth": t.workload.c.depth,
    "width": t.workload.c.width,
    "status": t.measurement.c.status,
}

#: Of an integer in a database, beside its sign.
_BITS = 63

_JOINED: FromClause = (
    t.measurement.join(t.workload, t.workload.c.id == t.measurement.c.workload_id)
    .join(t.environment, t.environment.c.id == t.measurement.c.environment_id)
    .outerjoin(t.campaign, t.campaign.c.id == t.measurement.c.campaign_id)
)


def conditions(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What a row must fulfil; None admits every value.

    Raises:
        UnknownName: There is no such filter.
    """
    return [_condition(_column(name), value) for name, value in filters.items() if value is not None]


def _condition(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    # The driver of SQLite refuses what its integers cannot hold; no row has it either.
    if isinstance(value, int) and value.bit_length() > _BITS:
        return false()
    found: ColumnElement[bool] = column == value
    return found


def _column(name: str) -> ColumnElement[Any]:
    if name not in _COLUMNS:
        raise UnknownName("filter", name, _COLUMNS)
    return _COLUMNS[name]


def page(
    connection: Connection,
    where: Sequence[ColumnElement[bool]],
    *,
    after: int,
    limit: int,
    with_samples: bool,
    with_kernels: bool,
    with_attributes: bool,
) -> list[tuple[int, StoredMeasurement]]:
    """Up to `limit` measurements whose ids are above `after`, each with its id."""
    left_out = () if with_samples else ("blocks",)
    query = (
        select(
            *(c for c in t.measurement.c if c.name not in left_out),
            t.workload.c.spec,
            t.workload.c.macs,
            t.workload.c.parameters,
            t.environment.c.fingerprint,
            t.campaign.c.name.label("campaign"),
            t.campaign.c.uid.label("campaign_uid"),
        )
        .select_from(_JOINED)
        .where(t.measurement.c.id > after, *where)
        .order_by(t.measurement.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    ids = [row["id"] for row in rows]
    kernels: Mapping[int, Sequence[Kernel]] = {}
    if with_kernels:
        columns = tuple(name for name in KERNEL_COLUMNS if with_attributes or name != "attributes")
        kernels = _parts(connection, t.kernel, t.kernel.c.position, ids, columns, Kernel.from_dict)
    counters = _parts(connection, t.counter, t.counter.c.id, ids, COUNTER_COLUMNS, Counter.from_dict)
    return [
        (i, to_stored(row, kernels.get(i, ()), counters.get(i, ()))) for i, row in zip(ids, rows, strict=True)
    ]


def _parts(
    connection: Connection,
    table: Table,
    order: Column[Any],
    measurement_ids: Sequence[int],
    columns: Sequence[str],
    convert: Callable[[Mapping[str, Any]], _Part],
) -> dict[int, list[_Part]]:
    """Measurement id -> its rows of a table that hangs on measurements; `convert` takes columns by name."""
    c = table.c
    query = (
        select(c.measurement_id, *(c[name] for name in columns))
        .where(c.measurement_id.in_(measurement_ids))
        .order_by(c.measurement_id, order, c.id)
    )
    found: dict[int, list[_Part]] = defaultdict(list)
    for measurement_id, *values in connection.execute(query):
        found[measurement_id].append(convert(dict(zip(columns, values, strict=True))))
    return found


def count(connection: Connection, where: Sequence[ColumnElement[bool]]) -> int:
    """How many measurements fulfil the conditions."""
    return connection.execute(select(func.count()).select_from(_JOINED).where(*where)).scalar_one()


def values(connection: Connection, name: str, where: Sequence[ColumnElement[bool]]) -> list[Any]:
    """The different values of a field among the measurements, sorted, without None.

    Raises:
        UnknownName: There is no such field.
    """
    column = _column(name)
    query = select(column).select_from(_JOINED).where(column.is_not(None), *where).distinct()
    return sorted(connection.scalars(query))


def environments(connection: Connection) -> list[tuple[Environment, int]]:
    """Every environment with its number of measurements."""
    query = (
        select(t.environment.c.description, func.count(t.measurement.c.id))
        .select_from(t.environment.outerjoin(t.measurement))
        .group_by(t.environment.c.id)
        .order_by(t.environment.c.id)
    )
    return [(Environment.from_dict(description), n) for description, n in connection.execute(query)]


def campaigns(connection: Connection) -> list[tuple[CampaignRecord, int]]:
    """Every campaign with its number of measurements."""
    c = t.campaign.c
    counted = (
        select(t.measurement.c.campaign_id, func.count().label("measurements"))
        .group_by(t.measurement.c.campaign_id)
        .subquery()
    )
    query = (
        select(t.campaign, t.environment.c.fingerprint, func.coalesce(counted.c.measurements, 0).label("n"))
        .join(t.environment, t.environment.c.id == c.environment_id)
        .outerjoin(counted, counted.c.campaign_id == c.id)
        .order_by(c.id)
    )
    return [
        (
            CampaignRecord(
                row.uid, row.name, row.key, row.generation, row.created_at, row.fingerprint, row.spec
            ),
            row.n,
        )
        for row in connection.execute(query)
    ]


def canary_references(connection: Connection) -> dict[tuple[str, str], dict[str, float]]:
    """Reference durations [s] by environment and protocol, then by canary."""
    c = t.canary_reference.c
    query = (
        select(t.environment.c.fingerprint, c.protocol, c.name, c.value_s)
        .join(t.environment, t.environment.c.id == c.environment_id)
        .order_by(c.id)
    )
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for fingerprint, protocol, name, value_s in connection.execute(query):
        found[fingerprint, protocol][name] = value_s
    return dict(found)
