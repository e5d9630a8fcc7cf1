import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from hwnas.core.errors import DatabaseError, MissingDependency, UsageError
from hwnas.store import LatencyStore, opening
from hwnas.store.exchange import merge
from hwnas.store.tables import APPLICATION_ID
from hwnas.testing.examples import example_environment, example_measurement


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_new_file_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "50%?#" / "latency.sqlite"
    with LatencyStore.open(path) as store:
        assert store.add(example_measurement(), example_environment())
    with LatencyStore.open(path, create=False) as store:
        assert store.count() == 1
        assert store.location == str(path)
        assert store.database.size_bytes() == path.stat().st_size
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert [p.name for p in path.parent.iterdir()] == ["latency.sqlite"]


def test_many_processes_may_open_a_new_file_at_once(database: Path) -> None:
    def work(number: int) -> bool:
        with LatencyStore.open(database) as store:
            return store.add(example_measurement(f"u{number}"), example_environment())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    with LatencyStore.open(database) as store:
        assert store.count() == 4


def test_connections_are_strict(store: LatencyStore) -> None:
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def directory(path: Path) -> None:
    path.mkdir()


def text_file(path: Path) -> None:
    path.write_text("pattern,latency\n" * 100)


def foreign_database(path: Path) -> None:
    run_sql(path, "CREATE TABLE recipes (id INTEGER)")


def foreign_mark(path: Path) -> None:
    run_sql(path, "PRAGMA application_id = 252006673")


def same_names_but_foreign(path: Path) -> None:
    run_sql(path, "CREATE TABLE hwnas_schema (version_num TEXT)", "INSERT INTO hwnas_schema VALUES ('0001')")


def newer(path: Path) -> None:
    LatencyStore.open(path).close()
    run_sql(path, "UPDATE hwnas_schema SET version_num = '9999'")


def cut_off(path: Path) -> None:
    LatencyStore.open(path).close()
    os.truncate(path, path.stat().st_size // 2)


def file_as_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (directory, "is a directory"),
        (text_file, "not a SQLite database"),
        (foreign_database, r"another program.*recipes"),
        (foreign_mark, "another program"),
        (same_names_but_foreign, "another program"),
        (newer, r"newer hwnas.*9999.*pip install --upgrade"),
        (cut_off, r"damaged.*recover"),
        (file_as_folder, "cannot be created"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_what_cannot_be_opened(
    make: Callable[[Path], None], says: str, read_only: bool, tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "some.sqlite"
    path.parent.mkdir()
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    if make is file_as_folder and read_only:
        says = "no latency database"
    with pytest.raises(DatabaseError, match=says) as caught:
        LatencyStore.open(path, read_only=read_only)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert before == (path.read_bytes() if path.is_file() else b"")


@pytest.mark.parametrize("arguments", [{"create": False}, {"read_only": True}])
@pytest.mark.parametrize("empty", [True, False])
def test_missing_file_is_not_made(arguments: dict[str, bool], empty: bool, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "latency.sqlite"
    if empty:
        path.parent.mkdir()
        path.touch()
    with pytest.raises(DatabaseError, match="no latency database at"):
        LatencyStore.open(path, **arguments)
    assert path.exists() == empty
    assert not empty or path.stat().st_size == 0


def test_read_only(database: Path) -> None:
    with LatencyStore.open(database) as store:
        store.add(example_measurement("u0"), example_environment())
    with LatencyStore.open(database, read_only=True) as store:
        assert store.count() == 1
        with pytest.raises(DatabaseError, match=r"read-only.*--db"):
            store.add(example_measurement("u1"), example_environment())


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_write_protected_file_is_readable(database: Path) -> None:
    LatencyStore.open(database).close()
    database.chmod(0o400)
    with LatencyStore.open(database) as store:
        assert store.count() == 0
        with pytest.raises(DatabaseError, match="read-only"):
            store.add(example_measurement(), example_environment())


def test_locked(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", 0.05)
    with LatencyStore.open(database) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(DatabaseError, match="locked"):
                store.add(example_measurement(), example_environment())
            with pytest.raises(DatabaseError, match="locked"):
                LatencyStore.open(database)
        assert store.add(example_measurement(), example_environment())


def test_full_disk_loses_nothing(store: LatencyStore) -> None:
    environment = example_environment()
    store.add(example_measurement("u0"), environment)

    def fill(connection: DBAPIConnection, record: object) -> None:
        connection.cursor().execute("PRAGMA max_page_count = 1")  # that is: the pages it has now

    added = ["u0"]

    def add_until_full() -> None:
        for i in range(1, 1000):
            store.add(example_measurement(f"u{i}"), environment)
            added.append(f"u{i}")

    event.listen(store.database._engine, "connect", fill)
    with pytest.raises(DatabaseError, match=r"disk is full.*what was stored before is kept"):
        add_until_full()
    event.remove(store.database._engine, "connect", fill)
    store.database.check()
    assert [s.measurement.uid for s in store.measurements()] == added
    assert store.add(example_measurement("after"), environment)


def test_file_that_was_moved_away_does_not_come_back_empty(store: LatencyStore, database: Path) -> None:
    database.rename(database.with_name("moved.sqlite"))
    with pytest.raises(DatabaseError, match="cannot be opened"):
        store.add(example_measurement(), example_environment())
    assert not database.exists()


def test_damage_inside_is_found(store: LatencyStore, database: Path) -> None:
    environment = example_environment()
    for i in range(30):
        store.add(example_measurement(f"u{i}"), environment)
    store.database.check()
    content = bytearray(database.read_bytes())
    for page in range(20, len(content) // 4096 - 1):  # the first pages hold the schema
        content[page * 4096 : page * 4096 + 64] = bytes([0xA5]) * 64
    database.write_bytes(content)
    with pytest.raises(DatabaseError, match=r"damaged.*recover"):
        store.database.check()
    with pytest.raises(DatabaseError, match="damaged"):
        list(store.measurements())


def test_interrupted_write_is_undone(store: LatencyStore, database: Path, tmp_path: Path) -> None:
    """What a power cut in the middle of a transaction leaves behind."""
    environment = example_environment()
    store.add(example_measurement("u0"), environment)
    crashed = tmp_path / "crashed.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the commit
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE measurement SET reason = hex(zeroblob(100000))")
        writer.execute("DELETE FROM kernel")
        shutil.copy(database, crashed)
        shutil.copy(f"{database}-journal", f"{crashed}-journal")
        writer.execute("ROLLBACK")
    assert crashed.read_bytes() != database.read_bytes()
    with pytest.raises(DatabaseError, match="interrupted write must be undone"):
        LatencyStore.open(crashed, read_only=True)
    with LatencyStore.open(crashed) as again:
        again.database.check()
        assert [s.measurement for s in again.measurements()] == [example_measurement("u0")]


def test_postgresql_without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependency, match=re.escape("pip install 'hwnas[postgresql]'")):
        LatencyStore.open("postgresql://localhost/db")


def test_postgresql_without_server() -> None:
    pytest.importorskip("psycopg", reason="needs the extra hwnas[postgresql]")
    with pytest.raises(DatabaseError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/db: no connection") as caught:
        LatencyStore.open("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("create", [True, False])
def test_name_that_no_file_can_have(create: bool, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"cannot be (created|opened) \(File name too long\)"):
        LatencyStore.open(tmp_path / ("x" * 300), create=create)


def test_memory() -> None:
    with LatencyStore.open("sqlite://") as one, LatencyStore.open("sqlite://") as other:
        one.add(example_measurement(), example_environment())
        one.database.check()
        assert one.database.size_bytes() > 0
        assert other.count() == 0
        assert merge(other, one) == (1, 0, 0, 0)
        with pytest.raises(UsageError, match="itself"):
            merge(one, one)
