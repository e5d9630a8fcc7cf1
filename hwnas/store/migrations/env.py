"""Run by Alembic, inside the transaction that :mod:`hwnas.store.migrating` has begun."""

from __future__ import annotations

from alembic import context

from hwnas.store.tables import VERSION_TABLE, metadata


def migrate() -> None:
    """Run the migrations on the connection that the caller put into the configuration."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite alters a table only by copying it
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic's context has a configuration only while Alembic runs this file; whoever merely
# imports it, such as pytest looking for doctests, migrates nothing.
if hasattr(context, "config"):
    migrate()
