"""What the store hands out and takes in, besides the nouns of :mod:`hwnas.core`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from hwnas.core.environment import Environment
from hwnas.core.measurement import Measurement


class CellKey(NamedTuple):
    """What identifies one cell within its campaign."""

    workload_key: str
    backend: str
    threads: int
    pass_index: int


@dataclass(frozen=True)
class CampaignRecord:
    """One generation of a campaign in one environment.

    Args:
        uid: Globally unique.
        name: For people, for example ``depth``.
        key: Digest of `spec`.
        generation: 0 for the first; `--fresh` starts the next.
        created_at: ISO 8601 time in UTC.
        environment: Fingerprint of the environment.
        spec: What was asked for, JSON-ready.
    """

    uid: str
    name: str
    key: str
    generation: int
    created_at: str
    environment: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class StoredMeasurement:
    """A measurement, and what the database knows besides.

    Args:
        measurement: As it was added; without blocks or kernels where they were not asked for.
        environment: Fingerprint of the environment it is true for.
        campaign: Name of its campaign, or None.
        campaign_uid: The campaign's uid, or None.
        macs: Multiply-adds of one inference, or None where nobody counted them.
        parameters: Parameters of the network, or None where nobody counted them.
        median_s: Median of the raw samples [s], also where the blocks were left out.
        sample_count: Number of raw samples, also where the blocks were left out.
    """

    measurement: Measurement
    environment: str
    campaign: str | None
    campaign_uid: str | None
    macs: int | None
    parameters: int | None
    median_s: float | None
    sample_count: int


class Filters(TypedDict, total=False):
    """Which measurements; a key that is missing or None admits every value."""

    uid: str | None  #: of the measurement
    environment: str | None  #: fingerprint
    campaign_uid: str | None
    kind: str | None  #: of the workload, for example ``pattern``
    name: str | None  #: of the workload
    architecture: str | None  #: of a search space's workload, as its compact text
    backend: str | None  #: full id
    threads: int | None
    batch: int | None
    depth: int | None
    width: int | None
    status: str | None


@dataclass(frozen=True)
class Entry:
    """One measurement with all that another database needs to take it in.

    `canary_reference` is the reference [s] of its environment and protocol, or None.
    """

    measurement: Measurement
    environment: Environment
    campaign: CampaignRecord | None = None
    macs: int | None = None
    parameters: int | None = None
    canary_reference: Mapping[str, float] | None = None


class ImportResult(NamedTuple):
    """What became of the measurements of an import.

    Args:
        added: New here.
        already_there: The same measurement was here before.
        cell_taken: Left out, because this database has its own measurement of that cell of
            the same campaign: both went on from copies of one database.
        counters: New counters, such as cache misses, of measurements that were here before.
    """

    added: int
    already_there: int
    cell_taken: int
    counters: int = 0
