import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from hwnas.store import LatencyStore
from hwnas.testing import store_contract
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


def test_every_part_of_the_contract_is_in_it() -> None:
    """A file beside the others checks nothing as long as the contract does not inherit from its class."""
    parts = set()
    for found in pkgutil.iter_modules(store_contract.__path__, f"{store_contract.__name__}."):
        module = importlib.import_module(found.name)
        parts |= {c for c in vars(module).values() if isinstance(c, type) and c.__module__ == found.name}
    assert parts == set(StoreContract.__bases__)
    assert len(parts) > 1
