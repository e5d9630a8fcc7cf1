"""The measurements that come with hwnas: one folder a host, each with files of measurements."""

from __future__ import annotations

from typing import TypeVar

from hwnas.core.errors import DatabaseError
from hwnas.core.resources import data_folder
from hwnas.store.database import Database
from hwnas.store.exchange import import_file
from hwnas.store.latency_store import LatencyStore
from hwnas.store.location import SHIPPED, Location
from hwnas.store.opening import connect

Store = TypeVar("Store", bound=LatencyStore)

_FILES = "*/*.jsonl.gz"


def read_shipped(kind: type[Store]) -> Store:
    """A store in memory with the measurements of every shipped host.

    Raises:
        DatabaseError: None ships with this installation.
        HwnasError: The installation lacks its folder, or a file in it is damaged.
    """
    files = sorted(data_folder("latency_db").glob(_FILES))
    if not files:
        raise DatabaseError("no measurements ship with this hwnas", "Run hwnas measure")
    location = Location(name=SHIPPED)
    store = kind(Database(connect(location, create=True, read_only=False), location))
    for file in files:
        import_file(store, file)
    return store
