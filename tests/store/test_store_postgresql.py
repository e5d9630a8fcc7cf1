"""What only a server does; the contract runs on it as well, in test_store_contract.py."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, make_url, select, text

from hwnas.core.errors import DatabaseError
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.store import LatencyStore, tables
from hwnas.store.exchange import merge
from hwnas.store.writing import CellTakenError
from hwnas.testing.examples import example_environment, example_measurement

#: Whether another transaction waits for the one that asks.
WAITED_FOR = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)


def run_sql(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_read_only(postgresql: str) -> None:
    with pytest.raises(DatabaseError, match="no latency database"):
        LatencyStore.open(postgresql, read_only=True)
    with pytest.raises(DatabaseError, match="no latency database"):
        LatencyStore.open(postgresql, create=False)
    LatencyStore.open(postgresql).close()
    with LatencyStore.open(postgresql, read_only=True) as store:
        assert store.count() == 0
        assert store.database.size_bytes() > 0
        store.database.check()
        with pytest.raises(DatabaseError, match="read-only"):
            store.add(example_measurement(), example_environment())


def test_tables_of_another_program(postgresql: str) -> None:
    run_sql(postgresql, "CREATE TABLE recipe (id INTEGER)")
    LatencyStore.open(postgresql).close()  # a neighbour is no harm
    run_sql(postgresql, "DROP TABLE hwnas_schema")
    with pytest.raises(DatabaseError, match="another program"):
        LatencyStore.open(postgresql)


def test_newer_schema(postgresql: str) -> None:
    LatencyStore.open(postgresql).close()
    run_sql(postgresql, "UPDATE hwnas_schema SET version_num = '9999'")
    with pytest.raises(DatabaseError, match=r"newer hwnas.*9999"):
        LatencyStore.open(postgresql)


def test_unknown_database(postgresql: str) -> None:
    url = make_url(postgresql).set(database="hwnas_no_such_database").render_as_string(hide_password=False)
    with pytest.raises(DatabaseError, match="hwnas_no_such_database"):
        LatencyStore.open(url)


def test_merge_from_sqlite_and_back(postgresql: str, store: LatencyStore, tmp_path: Path) -> None:
    environment = example_environment()
    uid = store.campaign("depth", {"b": 1, "a": 2}, environment).uid
    store.add(example_measurement(), environment, campaign_uid=uid, macs=3)
    store.set_canary_reference(environment, PROTOCOL_VERSION, {"compute": 0.1})
    with LatencyStore.open(postgresql) as server, LatencyStore.open(tmp_path / "back.sqlite") as back:
        assert merge(server, store) == (1, 0, 0, 0)
        assert merge(server, store) == (0, 1, 0, 0)
        assert merge(back, server) == (1, 0, 0, 0)
        assert list(back.measurements()) == list(store.measurements())
        assert back.campaigns() == store.campaigns()
        assert back.canary_references() == store.canary_references()


def test_a_reader_sees_one_state(postgresql: str) -> None:
    """As on SQLite: a measurement that goes meanwhile does not lose its kernels first."""
    counted = select(func.count()).select_from(tables.measurement)
    with LatencyStore.open(postgresql) as store, LatencyStore.open(postgresql, read_only=True) as reader:
        store.add(example_measurement("u0"), example_environment())
        with store.database.reading() as one, reader.database.reading() as other:
            assert (one.scalar(counted), other.scalar(counted)) == (1, 1)
            store.add(example_measurement("u1"), example_environment())
            assert (one.scalar(counted), other.scalar(counted)) == (1, 1)
        assert store.count() == reader.count() == 2
        assert store.add(example_measurement("u2"), example_environment())


def test_two_hosts_that_store_a_cell_at_once(postgresql: str) -> None:
    """The second hears that it is taken, as on SQLite, where writers take turns."""
    environment = example_environment()
    with (
        ThreadPoolExecutor(1) as pool,
        LatencyStore.open(postgresql) as one,
        LatencyStore.open(postgresql) as other,
    ):
        uid = one.campaign("depth", {}, environment).uid
        # Their workload is known, so that nothing but the cell makes one wait for the other.
        one.add(example_measurement("before", pass_index=1), environment, campaign_uid=uid)
        with one.writing() as writer:
            writer.measurement(
                example_measurement("u0"), environment, campaign_uid=uid, macs=None, parameters=None
            )
            late = pool.submit(other.add, example_measurement("u1"), environment, campaign_uid=uid)
            while not writer._connection.scalar(WAITED_FOR):
                assert not late.done(), "it has not waited"
                time.sleep(0.01)
        with pytest.raises(CellTakenError, match="same moment"):
            late.result(timeout=120)
        assert [s.measurement.uid for s in one.measurements()] == ["before", "u0"]
