import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hwnas.core.errors import DatabaseError
from hwnas.store import LatencyStore, migrating, opening
from hwnas.store.tables import SCHEMA_REVISION, VERSION_TABLE, metadata
from hwnas.testing.examples import example_environment, example_measurement

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("environment", sa.Column("nickname", sa.String))
    {extra}
"""


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
    )
    return list(compare_metadata(context, metadata))


def test_migrations_make_the_tables(store: LatencyStore) -> None:
    with store.database.reading() as connection:
        assert differences(connection) == []


def test_migrations_make_the_tables_on_postgresql(postgresql: str) -> None:
    with LatencyStore.open(postgresql) as store, store.database.reading() as connection:
        assert differences(connection) == []


def test_newest_revision_is_the_one_expected() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrating.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_REVISION


def add_migration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, extra: str = "") -> None:
    """Make this hwnas one whose newest schema is 0002."""
    migrations = tmp_path / "50% migrations"
    shutil.copytree(migrating.MIGRATIONS, migrations)
    (migrations / "versions" / "0002_next.py").write_text(NEXT.format(extra=extra))
    monkeypatch.setattr(migrating, "MIGRATIONS", migrations)
    monkeypatch.setattr(migrating, "SCHEMA_REVISION", "0002")
    monkeypatch.setattr(opening, "SCHEMA_REVISION", "0002")


@pytest.fixture
def old_database(database: Path) -> Path:
    with LatencyStore.open(database) as store:
        store.add(example_measurement(), example_environment())
    return database


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def revision_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()[0])


def test_older_database_is_copied_and_migrated(
    old_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = dump(old_database)
    (tmp_path / "latency.sqlite.bak-0001").write_text("an earlier copy stays")
    add_migration(monkeypatch, tmp_path)
    with LatencyStore.open(old_database, create=False) as store:
        assert store.database.revision() == "0002"
        assert [s.measurement for s in store.measurements()] == [example_measurement()]
    assert revision_of(old_database) == "0002"
    copy = tmp_path / "latency.sqlite.bak-0001-2"
    assert dump(copy) == content
    assert (tmp_path / "latency.sqlite.bak-0001").read_text() == "an earlier copy stays"


def test_read_only_database_is_not_migrated(
    old_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_migration(monkeypatch, tmp_path)
    with pytest.raises(DatabaseError, match=r"older hwnas.*0001.*hwnas db info"):
        LatencyStore.open(old_database, read_only=True)
    assert revision_of(old_database) == "0001"


def test_failing_migration_changes_nothing(
    old_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = old_database.read_bytes()
    add_migration(monkeypatch, tmp_path, extra='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(DatabaseError, match="nowhere"):
        LatencyStore.open(old_database)
    assert old_database.read_bytes() == content


def test_database_that_cannot_be_copied_is_not_migrated(
    old_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_migration(monkeypatch, tmp_path)
    longest = tmp_path / ("x" * 250)  # a name to which .bak-0001 cannot be added
    old_database.rename(longest)
    with pytest.raises(DatabaseError, match=r"cannot be copied.*unchanged"):
        LatencyStore.open(longest)
    assert revision_of(longest) == "0001"


def test_a_copy_that_was_killed_is_none(
    old_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Killed(sqlite3.Connection):
        def backup(self, *args: object, **settings: object) -> None:
            raise KeyboardInterrupt

    content = dump(old_database)
    add_migration(monkeypatch, tmp_path)
    with monkeypatch.context() as killing:
        killing.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Killed))
        with pytest.raises(KeyboardInterrupt):
            LatencyStore.open(old_database)
    copy = tmp_path / "latency.sqlite.bak-0001"
    assert not copy.exists()
    LatencyStore.open(old_database).close()
    assert dump(copy) == content
    assert [p.name for p in tmp_path.glob("*.bak*")] == [copy.name]
