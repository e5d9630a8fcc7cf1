"""The tables of the latency database, as the newest migration leaves them.

```
environment ─┬─< campaign ──┐
             ├─< measurement ┴─< kernel, counter
             │        └── workload
             └─< canary_reference
```

JSON columns hold what is read back as a whole; what is worth filtering on has a column of
its own. JSON is PostgreSQL's `json`, not `jsonb`: it keeps numbers and the order of keys as
they were written.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

#: The newest migration; a database at this revision needs no work when it is opened.
SCHEMA_REVISION = "0001"

#: Keeps the revision. Not Alembic's own default: on PostgreSQL another program may use that.
VERSION_TABLE = "hwnas_schema"

#: Marks a SQLite file as ours (`PRAGMA application_id`): "hwns" in ASCII.
APPLICATION_ID = 0x68776E73

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

environment = Table(
    "environment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False, unique=True),
    Column("cpu_model", String, nullable=False),
    Column("description", JSON, nullable=False),  # Environment.to_dict
    Column("created_at", String, nullable=False),
)

campaign = Table(
    "campaign",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),  # digest of spec
    Column("spec", JSON, nullable=False),
    Column("environment_id", ForeignKey("environment.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", String, nullable=False),
    UniqueConstraint("name", "key", "environment_id", "generation", name="uq_campaign_generation"),
)

workload = Table(
    "workload",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("depth", Integer),
    Column("width", Integer),
    Column("resolution", Integer),  # height of the input image
    Column("spec", JSON, nullable=False),  # Workload.to_dict
    Column("macs", BigInteger),
    Column("parameters", BigInteger),
    Index(None, "kind", "name"),
)

measurement = Table(
    "measurement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String, nullable=False, unique=True),
    Column("campaign_id", ForeignKey("campaign.id")),
    Column("environment_id", ForeignKey("environment.id"), nullable=False, index=True),
    Column("workload_id", ForeignKey("workload.id"), nullable=False, index=True),
    Column("group_uid", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("pass_index", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("median_s", Double),  # of the raw samples
    Column("sample_count", Integer, nullable=False),
    Column("calls_per_sample", Integer, nullable=False),
    Column("stop_reason", String, nullable=False),
    Column("build_s", Double),
    Column("convert_s", Double),
    Column("compile_s", Double),
    Column("first_inference_s", Double),
    Column("warmup_s", Double),
    Column("warmup_calls", Integer),
    Column("warmup_settled", Boolean),
    Column("peak_memory_bytes", BigInteger),
    Column("effective", JSON, nullable=False),
    Column("agreement", JSON(none_as_null=True)),
    Column("blocks", JSON, nullable=False),  # raw samples
    Column("protocol", String, nullable=False),
    Column("created_at", String, nullable=False),
    # A cell of a campaign is measured once; measurements without a campaign are not limited.
    UniqueConstraint(
        "campaign_id", "workload_id", "backend", "threads", "pass_index", name="uq_measurement_cell"
    ),
)

kernel = Table(
    "kernel",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measurement_id", ForeignKey("measurement.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("implementation", String, nullable=False),
    Column("precision", String, nullable=False),
    Column("layout", String),
    Column("fused", JSON, nullable=False),
    Column("time_s", Double),
    Column("attributes", JSON, nullable=False),
)

counter = Table(
    "counter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("measurement_id", ForeignKey("measurement.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event", String, nullable=False),
    Column("value", Double),  # events in one inference; NULL with a reason where not counted
    Column("source", String, nullable=False),
    Column("geometry", String),
    Column("threads", Integer, nullable=False),
    Column("accesses", Double),
    Column("reason", String, nullable=False),
)

canary_reference = Table(
    "canary_reference",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("environment_id", ForeignKey("environment.id"), nullable=False),
    Column("protocol", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value_s", Double, nullable=False),
    UniqueConstraint("environment_id", "protocol", "name", name="uq_canary_reference_values"),
)
