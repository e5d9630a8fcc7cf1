from collections.abc import Iterator

import pytest

from hwnas.store import LatencyStore
from hwnas.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """The fixture `store` of conftest.py is a SQLite file."""


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[LatencyStore]:
        with LatencyStore.open("sqlite://") as store:
            yield store


class TestPostgresql(StoreContract):
    @pytest.fixture
    def store(self, postgresql: str) -> Iterator[LatencyStore]:
        with LatencyStore.open(postgresql) as store:
            yield store
