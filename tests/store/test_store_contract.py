from collections.abc import Iterator

import pytest

from hwnas.store import LatencyStore
from hwnas.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """The fixture `store` of conftest.py is a SQLite file."""


class TestPostgresql(StoreContract):
    @pytest.fixture
    def store(self, postgresql: str) -> Iterator[LatencyStore]:
        with LatencyStore.open(postgresql) as store:
            yield store
