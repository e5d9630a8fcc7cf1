"""The latency database: measurements, and what they are true for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, Unpack

from sqlalchemy import Connection, delete, select

from hwnas.core.counter import LLC_MISSES
from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import Measurement, Status
from hwnas.store import reading
from hwnas.store import tables as t
from hwnas.store.database import Database
from hwnas.store.location import SHIPPED, default_location, resolve
from hwnas.store.opening import connect
from hwnas.store.records import CampaignRecord, CellKey, Filters, StoredMeasurement
from hwnas.store.writing import Writer

#: Measurements read in one transaction: readers must not keep writers waiting.
PAGE = 100


class LatencyStore:
    """An open latency database; :meth:`open` makes one.

    Every method is one transaction: it happens wholly or, after a crash or a full disk, not
    at all. Several processes may use one database at once. Every method may raise
    :class:`DatabaseError` where the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, location: str | Path | None = None, *, create: bool = True, read_only: bool = False) -> Self:
        """Open a database; an older one is migrated (a SQLite file is copied before).

        Args:
            location: Path of a SQLite file, a URL of PostgreSQL, or ``sqlite://`` for one in
                memory that ends with the process; ``shipped`` for the tables that come with hwnas, which
                exist already and cannot be written; None for ``$HWNAS_DB`` or else a file in the platform's
                folder for user data.
            create: Make what does not exist yet.
            read_only: Refuse to write, and neither create nor migrate.

        Raises:
            DatabaseError: The database is missing, damaged, of another program, of a newer
                hwnas, or cannot be reached.
            MissingDependency: A PostgreSQL URL without psycopg.
            UsageError: `location` is not understood.
        """
        if not create and str(location if location is not None else default_location()) == SHIPPED:
            from hwnas.store.shipped import read_shipped  # which fills a store

            return read_shipped(cls)
        resolved = resolve(location)
        return cls(Database(connect(resolved, create=create, read_only=read_only), resolved))

    def close(self) -> None:
        """Close every connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def location(self) -> str:
        """Where the database is, without password."""
        return str(self.database.location)

    def campaign(
        self, name: str, spec: Mapping[str, Any], environment: Environment, *, fresh: bool = False
    ) -> CampaignRecord:
        """The newest generation of a campaign with that name, `spec` and environment.

        It is begun where there is none, and `fresh` always begins the next.

        Raises:
            UsageError: `spec` holds what JSON cannot.
        """
        with self.writing() as writer:
            uid = writer.campaigns.begun(name, spec, environment, fresh=fresh)
        return next(record for record, _ in self.campaigns() if record.uid == uid)

    def campaigns(self) -> list[tuple[CampaignRecord, int]]:
        """Every campaign in the order of its beginning, with its number of measurements."""
        with self.database.reading() as connection:
            return reading.campaigns(connection)

    def finished(self, campaign_uid: str) -> set[CellKey]:
        """The cells of a campaign that have a measurement of whatever status.

        Raises:
            UsageError: There is no such campaign.
        """
        m, w = t.measurement.c, t.workload.c
        with self.database.reading() as connection:
            campaign_id = _campaign_id(connection, campaign_uid)
            query = (
                select(w.key, m.backend, m.threads, m.pass_index)
                .join(t.workload, w.id == m.workload_id)
                .where(m.campaign_id == campaign_id)
            )
            return {CellKey(*row) for row in connection.execute(query)}

    def retry(
        self,
        campaign_uid: str,
        statuses: Iterable[Status | str],
        counts: Iterable[tuple[str, str | None]] = (),
    ) -> int:
        """Let a rerun try again: delete measurements of these statuses, and cache misses without a value.

        Args:
            campaign_uid: The campaign.
            statuses: Of the measurements.
            counts: Source and cache geometry of the counts.

        Returns:
            How many measurements were deleted.

        Raises:
            UsageError: There is no such campaign.
        """
        m = t.measurement.c
        with self.database.writing() as connection:
            campaign_id = _campaign_id(connection, campaign_uid)
            wanted = [str(status) for status in statuses]
            own = select(m.id).where(m.campaign_id == campaign_id)
            c = t.counter.c
            missed = (c.measurement_id.in_(own), c.value.is_(None), c.event == LLC_MISSES)
            for source, geometry in counts:
                place = c.geometry.is_(None) if geometry is None else c.geometry == geometry
                connection.execute(delete(t.counter).where(*missed, c.source == source, place))
            return connection.execute(
                delete(t.measurement).where(m.campaign_id == campaign_id, m.status.in_(wanted))
            ).rowcount

    def add(
        self,
        measurement: Measurement,
        environment: Environment,
        *,
        campaign_uid: str | None = None,
        macs: int | None = None,
        parameters: int | None = None,
    ) -> bool:
        """Add a measurement; on return it survives a crash of the process or of the machine.

        Numbers that are not finite (an error of NaN, say) are stored as None.

        Args:
            measurement: What was measured.
            environment: What it is true for.
            campaign_uid: The campaign it is a cell of.
            macs: Multiply-adds of one inference, kept with the workload.
            parameters: Parameters of the network, kept with the workload.

        Returns:
            False where a measurement of that uid is already there; it is kept, and gets the counters that it
            lacks.

        Raises:
            DatabaseError: The campaign has another measurement of that cell.
            UsageError: The measurement is impossible (say, ok without samples), or the
                campaign is unknown or belongs to another environment.
        """
        with self.writing() as writer:
            return writer.measurement(
                measurement, environment, campaign_uid=campaign_uid, macs=macs, parameters=parameters
            )

    def measurements(
        self,
        *,
        with_samples: bool = True,
        with_kernels: bool = True,
        with_attributes: bool = True,
        **filters: Unpack[Filters],
    ) -> Iterator[StoredMeasurement]:
        """The measurements that all `filters` admit, in the order in which they were added.

        They are read page by page, so that a database larger than the memory can be walked
        through, and so that a slow reader never keeps a campaign from writing.

        Args:
            with_samples: Read the raw samples; else `measurement.blocks` is empty.
            with_kernels: Read the kernels; else `measurement.kernels` is empty.
            with_attributes: Read what kernels tell besides names, types and times; else that is empty.
            **filters: Values that the measurements must have, see :class:`Filters`.

        Raises:
            UnknownName: There is no such filter.
        """
        conditions = reading.conditions(filters)
        last = 0
        while True:
            with self.database.reading() as connection:
                page = reading.page(
                    connection,
                    conditions,
                    after=last,
                    limit=PAGE,
                    with_samples=with_samples,
                    with_kernels=with_kernels,
                    with_attributes=with_attributes,
                )
            yield from (stored for _, stored in page)
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def count(self, **filters: Unpack[Filters]) -> int:
        """How many measurements the filters admit.

        Raises:
            UnknownName: There is no such filter.
        """
        with self.database.reading() as connection:
            return reading.count(connection, reading.conditions(filters))

    def values(self, field: str, **filters: Unpack[Filters]) -> list[Any]:
        """The different values of a field of :class:`Filters` among the measurements, sorted.

        Raises:
            UnknownName: There is no such field or filter.
        """
        with self.database.reading() as connection:
            return reading.values(connection, field, reading.conditions(filters))

    def counts(self) -> dict[str, int]:
        """Rows by table, for example ``{"measurement": 12, ...}``."""
        return self.database.counts()

    def environments(self) -> list[tuple[Environment, int]]:
        """Every environment, with its number of measurements."""
        with self.database.reading() as connection:
            return reading.environments(connection)

    def sole_environment(self, preferred: str | None) -> str:
        """The fingerprint of the one environment to report on.

        That is `preferred` (this host's) where it has measurements, else the only one that has.

        Raises:
            UsageError: Nothing was measured yet, or in several other environments.
        """
        measured = {e.fingerprint: f"{e.fingerprint} ({e.cpu_model})" for e, n in self.environments() if n}
        if preferred in measured:
            return preferred
        if len(measured) == 1:
            return next(iter(measured))
        if not measured:
            raise UsageError(f"{self.location} has no measurements", "Run hwnas measure first")
        raise UsageError(
            f"{self.location} has measurements of {len(measured)} environments, which are not comparable",
            f"Choose one with --environment: {', '.join(measured.values())}",
        )

    def find_environment(self, start: str) -> str:
        """The fingerprint that begins with `start`.

        Raises:
            UnknownName: None does.
            UsageError: Several do.
        """
        known = [e.fingerprint for e, _ in self.environments()]
        matches = [fingerprint for fingerprint in known if fingerprint.startswith(start)] if start else []
        if len(matches) > 1:
            raise UsageError(f"environment {start!r} is ambiguous", f"Say which: {', '.join(matches)}")
        if not matches:
            raise UnknownName("environment", start, known)
        return matches[0]

    def canary_reference(self, environment: Environment | str, protocol: str) -> dict[str, float] | None:
        """The canary durations [s] that drift-corrected latencies of an environment refer to.

        Args:
            environment: The environment, or its fingerprint.
            protocol: Version of the measuring protocol.

        Returns:
            Durations by name of the canary, or None where none were set yet.
        """
        fingerprint = environment if isinstance(environment, str) else environment.fingerprint
        return self.canary_references().get((fingerprint, protocol))

    def canary_references(self) -> dict[tuple[str, str], dict[str, float]]:
        """Every canary reference [s] by fingerprint and protocol, then by canary."""
        with self.database.reading() as connection:
            return reading.canary_references(connection)

    def set_canary_reference(
        self, environment: Environment, protocol: str, values: Mapping[str, float]
    ) -> dict[str, float]:
        """Set the canary durations [s] of an environment; the first ones set stay for ever.

        Returns:
            The durations that are stored now.
        """
        with self.writing() as writer:
            writer.canary_reference(environment, protocol, values)
        return self.canary_reference(environment, protocol) or {}

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """A transaction: what its writer adds is stored together when the block ends well."""
        with self.database.writing() as connection:
            yield Writer(connection)


def _campaign_id(connection: Connection, uid: str) -> int:
    found = connection.scalar(select(t.campaign.c.id).where(t.campaign.c.uid == uid))
    if found is None:
        raise UsageError(
            f"the database has no campaign with the uid {uid!r}", "hwnas db info lists the campaigns"
        )
    return int(found)
