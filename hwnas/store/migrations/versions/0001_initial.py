"""The first schema: environments, campaigns, workloads, measurements, kernels, counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "environment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("cpu_model", sa.String, nullable=False),
        sa.Column("description", sa.JSON, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.UniqueConstraint("fingerprint", name="uq_environment_fingerprint"),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("environment_id", sa.Integer, sa.ForeignKey("environment.id"), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.UniqueConstraint("uid", name="uq_campaign_uid"),
        sa.UniqueConstraint("name", "key", "environment_id", "generation", name="uq_campaign_generation"),
    )
    op.create_table(
        "workload",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("depth", sa.Integer),
        sa.Column("width", sa.Integer),
        sa.Column("resolution", sa.Integer),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("macs", sa.BigInteger),
        sa.Column("parameters", sa.BigInteger),
        sa.UniqueConstraint("key", name="uq_workload_key"),
    )
    op.create_index("ix_workload_kind_name", "workload", ["kind", "name"])
    op.create_table(
        "measurement",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String, nullable=False),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaign.id")),
        sa.Column("environment_id", sa.Integer, sa.ForeignKey("environment.id"), nullable=False),
        sa.Column("workload_id", sa.Integer, sa.ForeignKey("workload.id"), nullable=False),
        sa.Column("group_uid", sa.String, nullable=False),
        sa.Column("backend", sa.String, nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("pass_index", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("median_s", sa.Double),
        sa.Column("sample_count", sa.Integer, nullable=False),
        sa.Column("calls_per_sample", sa.Integer, nullable=False),
        sa.Column("stop_reason", sa.String, nullable=False),
        sa.Column("build_s", sa.Double),
        sa.Column("convert_s", sa.Double),
        sa.Column("compile_s", sa.Double),
        sa.Column("first_inference_s", sa.Double),
        sa.Column("warmup_s", sa.Double),
        sa.Column("warmup_calls", sa.Integer),
        sa.Column("warmup_settled", sa.Boolean),
        sa.Column("peak_memory_bytes", sa.BigInteger),
        sa.Column("effective", sa.JSON, nullable=False),
        sa.Column("agreement", sa.JSON),
        sa.Column("blocks", sa.JSON, nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.UniqueConstraint("uid", name="uq_measurement_uid"),
        sa.UniqueConstraint(
            "campaign_id", "workload_id", "backend", "threads", "pass_index", name="uq_measurement_cell"
        ),
    )
    op.create_index("ix_measurement_environment_id", "measurement", ["environment_id"])
    op.create_index("ix_measurement_workload_id", "measurement", ["workload_id"])
    op.create_table(
        "kernel",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "measurement_id", sa.Integer, sa.ForeignKey("measurement.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("implementation", sa.String, nullable=False),
        sa.Column("precision", sa.String, nullable=False),
        sa.Column("layout", sa.String),
        sa.Column("fused", sa.JSON, nullable=False),
        sa.Column("time_s", sa.Double),
        sa.Column("attributes", sa.JSON, nullable=False),
    )
    op.create_index("ix_kernel_measurement_id", "kernel", ["measurement_id"])
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "measurement_id", sa.Integer, sa.ForeignKey("measurement.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("geometry", sa.String),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("accesses", sa.Double),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("ix_counter_measurement_id", "counter", ["measurement_id"])
    op.create_table(
        "canary_reference",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("environment_id", sa.Integer, sa.ForeignKey("environment.id"), nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value_s", sa.Double, nullable=False),
        sa.UniqueConstraint("environment_id", "protocol", "name", name="uq_canary_reference_values"),
    )
