"""Adds to a latency database, within a transaction that the caller begins and ends."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hwnas.core.counter import Counter
from hwnas.core.environment import Environment
from hwnas.core.errors import DatabaseError, UsageError
from hwnas.core.measurement import Measurement
from hwnas.core.workload import Workload, canonical_json
from hwnas.store import tables as t
from hwnas.store.records import CampaignRecord, Entry
from hwnas.store.rows import (
    check,
    check_counter,
    check_json,
    measurement_values,
    part_values,
    workload_values,
)


class CellTakenError(DatabaseError):
    """The campaign already has another measurement of that cell."""


class Writer:
    """Writes rows over one connection; ids that it has seen are remembered.

    Args:
        connection: In a transaction that may write.

    Attributes:
        counters_completed: Counters added so far to measurements that were there before.
    """

    def __init__(self, connection: Connection) -> None:
        self.counters_completed = 0
        self._connection = connection
        self._environments: dict[str, int] = {}
        self._workloads: dict[tuple[str, int | None, int | None], int] = {}
        self._campaigns: dict[str, Row[Any]] = {}
        self._references: set[tuple[int, str]] = set()
        #: Name, key and environment of campaigns -> the uid that was the newest here before others came in.
        self._newest_before: dict[tuple[str, str, int], str] = {}

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

    def campaign(self, name: str, spec: Mapping[str, Any], environment: Environment, *, fresh: bool) -> str:
        """The uid of the newest generation of a campaign, or of the one that is begun here.

        Raises:
            UsageError: `spec` holds what JSON cannot.
        """
        environment_id = self._lock(environment)
        key = campaign_key(spec)
        c = t.campaign.c
        newest = self._connection.execute(
            select(c.uid, c.generation)
            .where(c.name == name, c.key == key, c.environment_id == environment_id)
            .order_by(c.generation.desc())
            .limit(1)
        ).first()
        if newest is not None and not fresh:
            return str(newest.uid)
        record = CampaignRecord(
            uid=uuid.uuid4().hex,
            name=name,
            key=key,
            generation=newest.generation + 1 if newest is not None else 0,
            created_at=now(),
            environment=environment.fingerprint,
            spec=spec,
        )
        self._insert_campaign(record, environment_id)
        return record.uid

    def measurement(
        self,
        measurement: Measurement,
        environment: Environment,
        *,
        campaign_uid: str | None,
        macs: int | None,
        parameters: int | None,
        from_json: bool = False,
    ) -> bool:
        """Add a measurement with its kernels; False where its uid is already there.

        Args:
            measurement: What was measured.
            environment: What it is true for.
            campaign_uid: The campaign it is a cell of.
            macs: Multiply-adds of one inference.
            parameters: Of the network.
            from_json: It was read from JSON, so it is known to go into it.

        Raises:
            CellTakenError: The campaign has another measurement of that cell.
            UsageError: The measurement is impossible, or the campaign is unknown or belongs to
                another environment.
        """
        check(measurement)
        if not from_json:
            check_json(measurement)
        c = t.measurement.c
        known = self._row_for_update(measurement.uid)
        if known is not None:
            # Another database may have counted more since.
            self.counters_completed += self._counters(known, measurement.counters)
            return False
        environment_id = self.environment(environment)
        values = measurement_values(measurement)
        values["environment_id"] = environment_id
        values["workload_id"] = self.workload(measurement.workload, macs, parameters)
        if campaign_uid is not None:
            values["campaign_id"] = self._campaign_id(campaign_uid, environment_id)
            cell = ("campaign_id", "workload_id", "backend", "threads", "pass_index")
            taken = self._connection.scalar(select(c.uid).where(*(c[n] == values[n] for n in cell)))
            if taken is not None:
                raise CellTakenError(
                    f"the campaign has measured {measurement.workload.label} on {measurement.backend},"
                    f" pass {measurement.pass_index}, before (measurement {taken})",
                    "Start the next generation with --fresh",
                )
        result = self._connection.execute(insert(t.measurement), values)
        key = result.inserted_primary_key
        if measurement.kernels and key is not None:
            rows = [{"measurement_id": key[0], **part_values(k)} for k in measurement.kernels]
            self._connection.execute(insert(t.kernel), rows)
        if key is not None:
            self._counters(key[0], measurement.counters)
        return True

    def counters(self, measurement_uid: str, counters: Iterable[Counter]) -> int:
        """Add counters to a measurement; one of the same event, source, geometry and threads takes the place
        of one without a value, and is left out where there is a value.

        Returns:
            How many were added.

        Raises:
            UsageError: There is no such measurement, or a counter is not one that can be shown.
        """
        row_id = self._row_for_update(measurement_uid)
        if row_id is None:
            raise UsageError(f"the database has no measurement with the uid {measurement_uid!r}")
        counted = list(counters)
        for counter in counted:
            check_counter(counter, measurement_uid)
        return self._counters(row_id, counted)

    def _row_for_update(self, measurement_uid: str) -> int | None:
        """The id of a measurement whose counters are about to be compared and completed, each of them once.

        SQLite locks the whole database already and leaves FOR UPDATE out.
        """
        c = t.measurement.c
        return self._connection.scalar(select(c.id).where(c.uid == measurement_uid).with_for_update())

    def _counters(self, measurement_id: int, counters: Iterable[Counter]) -> int:
        c = t.counter.c
        added = 0
        for counter in counters:
            same = [c.measurement_id == measurement_id]
            same += [c[name] == getattr(counter, name) for name in ("event", "source", "threads")]
            same.append(c.geometry.is_(None) if counter.geometry is None else c.geometry == counter.geometry)
            known = self._connection.execute(select(c.id, c.value).where(*same)).first()
            if known is not None and (known.value is not None or counter.value is None):
                continue
            if known is not None:
                self._connection.execute(delete(t.counter).where(c.id == known.id))
            values = {"measurement_id": measurement_id, **part_values(counter)}
            self._connection.execute(insert(t.counter), values)
            added += 1
        return added

    def canary_reference(self, environment: Environment, protocol: str, values: Mapping[str, float]) -> None:
        """Keep the reference durations [s] of an environment, unless it has some.

        Raises:
            UsageError: A value is not a duration.
        """
        for name, value in values.items():
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"the canary {name!r} took {value} s, which is not a duration")
        place = self.environment(environment), protocol
        if not values or place in self._references:
            return
        environment_id = self._lock(environment)
        c = t.canary_reference.c
        known = select(func.count()).where(c.environment_id == environment_id, c.protocol == protocol)
        if not self._connection.scalar(known):
            rows = [
                {"environment_id": environment_id, "protocol": protocol, "name": name, "value_s": value}
                for name, value in values.items()
            ]
            self._connection.execute(insert(t.canary_reference), rows)
        self._references.add(place)

    def entry(self, entry: Entry) -> bool:
        """Take in one measurement of another database; False where it is already there.

        Raises:
            CellTakenError: The campaign has another measurement of that cell.
            UsageError: The entry contradicts itself.
        """
        if entry.campaign is not None:
            self._take_in_campaign(entry.campaign, entry.environment)
        if entry.canary_reference:
            self.canary_reference(entry.environment, entry.measurement.protocol, entry.canary_reference)
        return self.measurement(
            entry.measurement,
            entry.environment,
            campaign_uid=entry.campaign.uid if entry.campaign else None,
            macs=entry.macs,
            parameters=entry.parameters,
            from_json=True,
        )

    def _take_in_campaign(self, record: CampaignRecord, environment: Environment) -> None:
        if self._find_campaign(record.uid) is not None:
            return
        environment_id = self._lock(environment)
        key = campaign_key(record.spec)
        c = t.campaign.c
        same = select(c.generation).where(
            c.name == record.name, c.key == key, c.environment_id == environment_id
        )
        taken = set(self._connection.scalars(same))
        generation = record.generation
        if taken:
            # Another database has counted its generations without knowing ours.
            place = record.name, key, environment_id
            self._newest_before.setdefault(place, self._newest(*place).uid)
            generation = max(taken) + 1 if generation in taken else generation
        self._insert_campaign(
            CampaignRecord(
                record.uid,
                record.name,
                key,
                generation,
                record.created_at,
                environment.fingerprint,
                record.spec,
            ),
            environment_id,
        )

    def settle_generations(self) -> None:
        """Once all has come in: where a campaign of this database had more cells than the one that was numbered
        after it, it becomes the newest again, so that the next run goes on with it and not with the other."""
        for place, uid in self._newest_before.items():
            newest = self._newest(*place)
            own = self._connection.execute(select(t.campaign).where(t.campaign.c.uid == uid)).one()
            if self._cells(own.id) > self._cells(newest.id):
                self._connection.execute(
                    update(t.campaign).where(t.campaign.c.id == own.id).values(generation=newest.generation + 1)
                )

    def _newest(self, name: str, key: str, environment_id: int) -> Row[Any]:
        """The newest generation of a campaign, of which there is one."""
        c = t.campaign.c
        return self._connection.execute(
            select(t.campaign)
            .where(c.name == name, c.key == key, c.environment_id == environment_id)
            .order_by(c.generation.desc())
            .limit(1)
        ).one()

    def _cells(self, campaign_id: int) -> int:
        counted = select(func.count()).where(t.measurement.c.campaign_id == campaign_id)
        return int(self._connection.execute(counted).scalar_one())

    def _insert_campaign(self, record: CampaignRecord, environment_id: int) -> None:
        self._connection.execute(
            insert(t.campaign).values(
                uid=record.uid,
                name=record.name,
                key=record.key,
                spec=dict(record.spec),
                environment_id=environment_id,
                generation=record.generation,
                created_at=record.created_at,
            )
        )

    def _find_campaign(self, uid: str) -> Row[Any] | None:
        if uid not in self._campaigns:
            row = self._connection.execute(select(t.campaign).where(t.campaign.c.uid == uid)).first()
            if row is None:
                return None
            self._campaigns[uid] = row
        return self._campaigns[uid]

    def _campaign_id(self, uid: str, environment_id: int) -> int:
        row = self._find_campaign(uid)
        if row is None:
            raise UsageError(
                f"the database has no campaign with the uid {uid!r}", "Begin it with store.campaign()"
            )
        if row.environment_id != environment_id:
            raise UsageError(
                f"campaign {row.name!r} belongs to another environment than the measurement",
                "Measurements of different environments are not comparable: begin a campaign for each",
            )
        return int(row.id)

    def _lock(self, environment: Environment) -> int:
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


def campaign_key(spec: Mapping[str, Any]) -> str:
    """16 hexadecimal digits: equal specifications have equal keys, whatever the order of keys.

    Raises:
        UsageError: `spec` holds what JSON cannot.
    """
    try:
        text = canonical_json(dict(spec))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the campaign's specification cannot be stored: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def now() -> str:
    """The present time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
