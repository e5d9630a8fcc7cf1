"""What a report reads of the database, each sample once: the passes of every cell, and which of them count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import PROTOCOL_VERSION, UNREPORTED_CAMPAIGNS, Measurement
from hwnas.report.kernel_summary import KernelSummary, summarise_kernels
from hwnas.store import CampaignRecord, LatencyStore, StoredMeasurement

#: Speedups refer to it wherever it was measured.
DEFAULT_BASELINE = "torch:cpu:fp32"

CellKey = tuple[str, str, int]  # workload key, backend, threads
_Passes = Mapping[str | None, list[StoredMeasurement]]  # by campaign uid


@dataclass(frozen=True)
class Reading:
    """The measurements of one environment, without estimates.

    Args:
        location: The database, for messages.
        environment: What they are true for.
        baseline: Full id of the arm that speedups refer to.
        campaigns: Those that may be shown, by uid.
        passes: Cell -> campaign uid -> its passes without samples and kernels.
        best_first: Cell -> the uids of its campaigns; the first one's latencies count.
        samples: Measurement uid -> measurement with its samples, for the campaigns that count.
        kernels: Measurement uid -> its kernels, where any were stored.
        reference: The canary reference of the environment [s] by canary, or None.
    """

    location: str
    environment: Environment
    baseline: str
    campaigns: Mapping[str, CampaignRecord]
    passes: Mapping[CellKey, _Passes]
    best_first: Mapping[CellKey, list[str | None]]
    samples: Mapping[str, Measurement]
    kernels: Mapping[str, KernelSummary]
    reference: Mapping[str, float] | None


def read_passes(
    store: LatencyStore,
    environment: str,
    *,
    baseline: str | None = None,
    campaign: str | None = None,
    backend: str | None = None,
    **filters: Any,
) -> Reading:
    """Read what the filters admit.

    Args:
        store: Where the measurements are.
        environment: Fingerprint; measurements of other environments take no part.
        baseline: Full id of the arm that speedups refer to; None for :data:`DEFAULT_BASELINE`, or
            where that was not measured, for the first backend of the newest campaign.
        campaign: Only campaigns of this name, or the one whose uid begins so.
        backend: Only this arm, and the baseline.
        **filters: Further ones of :class:`hwnas.store.Filters`.

    Raises:
        UnknownName: No such campaign in this environment.
        UsageError: All that was measured there is what reports leave out.
    """
    records = _campaigns(store, environment, campaign)
    baseline = baseline or _default_baseline(store, environment, campaign, records)
    arms = [backend, baseline] if backend and backend != baseline else [backend]
    where = [{**filters, "environment": environment, "backend": arm} for arm in arms]
    passes: dict[CellKey, dict[str | None, list[StoredMeasurement]]] = defaultdict(lambda: defaultdict(list))
    kernels = {}
    light: dict[str, Any] = {"with_samples": False, "with_attributes": False}
    for stored in (s for chosen in where for s in store.measurements(**light, **chosen)):
        if stored.campaign_uid not in records and (campaign is not None or stored.campaign_uid is not None):
            continue
        m = stored.measurement
        if m.kernels:
            # A study has tens of thousands: what a report needs of them is a few numbers.
            kernels[m.uid] = summarise_kernels(m.kernels, stored.median_s)
            stored = replace(stored, measurement=replace(m, kernels=()))
        passes[m.workload.key, m.backend, m.threads][stored.campaign_uid].append(stored)
    if not (passes or records or backend or any(value is not None for value in filters.values())):
        _refuse_unreported(store, environment)
    rank = {uid: _rank(record, place) for place, (uid, record) in enumerate(records.items())}
    best_first = {key: _best_first(found, rank) for key, found in passes.items()}
    counting = {uids[0] for uids in best_first.values()}
    # No filter asks for measurements without a campaign: where some count, all are walked through.
    scopes = [None] if None in counting else list(counting)
    samples = {
        stored.measurement.uid: stored.measurement
        for uid in scopes
        for chosen in where
        for stored in store.measurements(with_kernels=False, **{**chosen, "campaign_uid": uid})
        if stored.campaign_uid in counting
    }
    return Reading(
        location=store.location,
        environment=next(e for e, _ in store.environments() if e.fingerprint == environment),
        baseline=baseline,
        campaigns=records,
        passes=passes,
        best_first=best_first,
        samples=samples,
        kernels=kernels,
        reference=store.canary_reference(environment, PROTOCOL_VERSION),
    )


def _campaigns(store: LatencyStore, environment: str, name: str | None) -> dict[str, CampaignRecord]:
    """The campaigns that may be shown, by uid: without a name, all but what predictors learn from."""
    here = [record for record, _ in store.campaigns() if record.environment == environment]
    if name is None:
        return {record.uid: record for record in here if record.name not in UNREPORTED_CAMPAIGNS}
    found = {r.uid: r for r in here if r.name == name}
    found = found or {r.uid: r for r in here if len(name) >= 4 and r.uid.startswith(name)}
    if not found:
        raise UnknownName("campaign", name, {r.name for r in here})
    return found


def _default_baseline(
    store: LatencyStore, environment: str, campaign: str | None, records: Mapping[str, CampaignRecord]
) -> str:
    measured = {arm for uid in records for arm in store.values("backend", campaign_uid=uid)}
    if DEFAULT_BASELINE in measured or not records:
        return DEFAULT_BASELINE
    if campaign is None and _measured_alone(store, environment, DEFAULT_BASELINE):
        return DEFAULT_BASELINE
    newest = list(records.values())[-1]
    first = next(iter(newest.spec.get("backends", ())), DEFAULT_BASELINE)
    return str(first) if first in measured else DEFAULT_BASELINE


def _measured_alone(store: LatencyStore, environment: str, backend: str) -> bool:
    """Whether a backend has measurements without a campaign; no filter asks for these."""
    here = [record.uid for record, _ in store.campaigns() if record.environment == environment]
    inside = sum(store.count(campaign_uid=uid, backend=backend) for uid in here)
    return store.count(environment=environment, backend=backend) > inside


def _refuse_unreported(store: LatencyStore, environment: str) -> None:
    """Say so where a predictor or a search has measured, and nobody else."""
    names = sorted({record.name for record, _ in store.campaigns() if record.environment == environment})
    if names:
        raise UsageError(
            f"{store.location} has only what was measured for {' and '.join(names)}, which reports leave out",
            f"Run hwnas measure, or name it: hwnas report --campaign {names[0]}",
        )


def _rank(record: CampaignRecord, place: int) -> tuple[bool, str, int]:
    """Orders campaigns by how much their latencies count."""
    planned = record.spec.get("settings", {}).get("passes", 2)
    return planned > 1, record.created_at, place


def _best_first(passes: _Passes, rank: Mapping[str, tuple[bool, str, int]]) -> list[str | None]:
    """The uids of the campaigns; measurements without a campaign come last."""
    return sorted(passes, key=lambda uid: rank[uid] if uid is not None else (False, "", 0), reverse=True)
