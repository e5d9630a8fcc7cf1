"""Adds campaigns to a latency database, this host's own and those of other databases."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.workload import canonical_json
from hwnas.store import tables as t
from hwnas.store.records import CampaignRecord
from hwnas.store.shared_rows import SharedRows, now


class CampaignRows:
    """Writes the rows of campaigns and counts their generations.

    Args:
        connection: In a transaction that may write.
        shared: Of the same connection.
    """

    def __init__(self, connection: Connection, shared: SharedRows) -> None:
        self._connection = connection
        self._shared = shared
        self._campaigns: dict[str, Row[Any]] = {}
        #: Name, key and environment of campaigns -> the uid that was the newest here before others came in.
        self._newest_before: dict[tuple[str, str, int], str] = {}
        #: Uids of campaigns that the other database has, too.
        self._met: set[str] = set()

    def begun(self, name: str, spec: Mapping[str, Any], environment: Environment, *, fresh: bool) -> str:
        """The uid of the newest generation of a campaign, or of the one that is begun here.

        Raises:
            UsageError: `spec` holds what JSON cannot.
        """
        environment_id = self._shared.locked(environment)
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
        self._insert(record, environment_id)
        return record.uid

    def take_in(self, record: CampaignRecord, environment: Environment) -> None:
        """Add a campaign of another database, unless it is there.

        Its generation is kept where it is free, and else comes after those here.
        """
        self._met.add(record.uid)
        if self._found(record.uid) is not None:
            return
        environment_id = self._shared.locked(environment)
        key = campaign_key(record.spec)
        c = t.campaign.c
        same = select(c.generation).where(
            c.name == record.name, c.key == key, c.environment_id == environment_id
        )
        taken = set(self._connection.scalars(same))
        generation = record.generation
        if taken:
            # Another database may have counted its generations without knowing ours.
            generation = max(taken) + 1 if generation in taken else generation
            place = record.name, key, environment_id
            newest = str(self._newest(*place).uid)
            # Who knew ours and began another wanted a fresh start.
            if newest not in self._met:
                self._newest_before.setdefault(place, newest)
        self._insert(
            replace(record, key=key, generation=generation, environment=environment.fingerprint),
            environment_id,
        )

    def settle_generations(self) -> None:
        """Once all has come in: of campaigns that were begun apart, the one with more cells is the newest.

        So the next run goes on with it, and not with the other.
        """
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

    def _insert(self, record: CampaignRecord, environment_id: int) -> None:
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

    def _found(self, uid: str) -> Row[Any] | None:
        if uid not in self._campaigns:
            row = self._connection.execute(select(t.campaign).where(t.campaign.c.uid == uid)).first()
            if row is None:
                return None
            self._campaigns[uid] = row
        return self._campaigns[uid]

    def id_of(self, uid: str, environment_id: int) -> int:
        """The id of a campaign's row.

        Raises:
            UsageError: There is no such campaign, or it belongs to another environment.
        """
        row = self._found(uid)
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
