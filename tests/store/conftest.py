import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from hwnas.store import LatencyStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "latency.sqlite"


@pytest.fixture
def store(database: Path, empty_database: Path) -> Iterator[LatencyStore]:
    shutil.copyfile(empty_database, database)
    with LatencyStore.open(database) as store:
        yield store


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty schema on the server that $HWNAS_TEST_POSTGRESQL names."""
    given = os.environ.get("HWNAS_TEST_POSTGRESQL")
    if not given:
        pytest.skip("HWNAS_TEST_POSTGRESQL does not name a PostgreSQL database to test with")
    url = make_url(given).set(drivername="postgresql+psycopg")
    schema = f"hwnas_test_{uuid.uuid4().hex}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()
