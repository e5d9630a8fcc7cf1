"""Adds to a latency database, within a transaction that the caller begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from hwnas.core.counter import Counter
from hwnas.core.environment import Environment
from hwnas.core.errors import DatabaseError, UsageError
from hwnas.core.measurement import Measurement
from hwnas.store import tables as t
from hwnas.store.campaign_rows import CampaignRows
from hwnas.store.records import Entry
from hwnas.store.rows import check, check_canaries, check_counter, check_json, measurement_values, part_values
from hwnas.store.shared_rows import SharedRows


class CellTakenError(DatabaseError):
    """The campaign already has another measurement of that cell."""


class Writer:
    """Writes measurements and what belongs to them over one connection.

    Args:
        connection: In a transaction that may write.

    Attributes:
        campaigns: Those that measurements are cells of.
        counters_completed: Counters added so far to measurements that were there before.
    """

    def __init__(self, connection: Connection) -> None:
        self._shared = SharedRows(connection)
        self.campaigns = CampaignRows(connection, self._shared)
        self.counters_completed = 0
        self._connection = connection
        self._references: set[tuple[int, str]] = set()

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
        environment_id = self._shared.environment(environment)
        values = measurement_values(measurement)
        values["environment_id"] = environment_id
        values["workload_id"] = self._shared.workload(measurement.workload, macs, parameters)
        if campaign_uid is not None:
            values["campaign_id"] = self.campaigns.id_of(campaign_uid, environment_id)
            cell = ("campaign_id", "workload_id", "backend", "threads", "pass_index")
            taken = self._connection.scalar(select(c.uid).where(*(c[n] == values[n] for n in cell)))
            if taken is not None:
                raise CellTakenError(
                    f"the campaign has measured {measurement.workload.label} on {measurement.backend},"
                    f" pass {measurement.pass_index}, before (measurement {taken})",
                    "Start the next generation with --fresh",
                )
        try:
            result = self._connection.execute(insert(t.measurement), values)
        except IntegrityError as error:
            if campaign_uid is None or from_json:
                raise
            # A server lets another host store the cell since we looked; with it this transaction is lost.
            raise CellTakenError(
                f"the campaign was given {measurement.workload.label} on {measurement.backend},"
                f" pass {measurement.pass_index}, by somebody else at the same moment",
                "Start the next generation with --fresh",
            ) from error
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
        check_canaries(values)
        place = self._shared.environment(environment), protocol
        if not values or place in self._references:
            return
        environment_id = self._shared.locked(environment)
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
            self.campaigns.take_in(entry.campaign, entry.environment)
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
