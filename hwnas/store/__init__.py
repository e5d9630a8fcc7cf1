"""The latency database: SQLite by default, PostgreSQL by URL."""

from hwnas.store.latency_store import LatencyStore
from hwnas.store.records import (
    CampaignRecord,
    CellKey,
    Entry,
    Filters,
    ImportResult,
    StoredMeasurement,
)

__all__ = [
    "CampaignRecord",
    "CellKey",
    "Entry",
    "Filters",
    "ImportResult",
    "LatencyStore",
    "StoredMeasurement",
]
