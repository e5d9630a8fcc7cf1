"""From stored passes to cells: one number with its interval, and one verdict, for each."""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hwnas.cache_misses.fused_operators import fused_shares
from hwnas.core.counter import Counter, cache_misses, operator_of
from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import PROTOCOL_VERSION, Agreement, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.measuring.busy import MOST_PREEMPTIONS_PER_S
from hwnas.measuring.statistics import Comparison, Estimate, Verdict, compare, estimate
from hwnas.report.order import in_order
from hwnas.store import CampaignRecord, Filters, LatencyStore, StoredMeasurement

#: Speedups refer to it wherever it was measured.
DEFAULT_BASELINE = "torch:cpu:fp32"

#: Block medians that scatter more than this after the drift correction make a cell noisy; on a
#: shared virtual machine about half as much is usual, on a quiet one a tenth.
NOISY = 0.1

#: Why the baseline itself has no comparison.
IS_BASELINE = "baseline"


@dataclass(frozen=True)
class Cell:
    """All passes of one workload on one backend, from one generation of one campaign.

    Args:
        workload: What ran.
        backend: Full id.
        threads: Threads asked for.
        status: OK when at least one pass has samples.
        reason: Why, when `status` is not OK; else what became of passes that have no samples.
        estimate: The latency; None unless `status` is OK.
        comparison: Against the baseline arm; None where `no_comparison` says why.
        no_comparison: Why there is no comparison, else empty.
        macs: Multiply-adds of one inference, or None where nobody counted them.
        parameters: Parameters of the network, or None where nobody counted them.
        agreement: The worst proof of equal outputs among the passes; None without any.
        campaign: Name of the campaign, or None for measurements without one.
        generation: Generation of that campaign.
        cache_misses: Last-level-cache misses of one inference, one for each source and cache geometry.
        operator_misses: Modelled ones by kind of operator.
        contradicted: Whether the latencies of both arms say the opposite of the verdict.
        fused_shares: Where those are known: kind of operator -> share of the network's operators of that kind
            that run inside another's kernel.
    """

    workload: Workload
    backend: str
    threads: int
    status: Status
    reason: str = ""
    estimate: Estimate | None = None
    comparison: Comparison | None = None
    no_comparison: str = ""
    macs: int | None = None
    parameters: int | None = None
    agreement: Agreement | None = None
    campaign: str | None = None
    generation: int | None = None
    cache_misses: tuple[Counter, ...] = ()
    operator_misses: tuple[Counter, ...] = ()
    contradicted: bool = False
    fused_shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes the latency less trustworthy: ``noisy``, ``preempted``, ``contradicted``."""
        if self.estimate is None:
            return ()
        noisy = ("noisy",) if self.estimate.residual_noise > NOISY else ()
        preempted = ("preempted",) if (self.estimate.preemptions_per_s or 0.0) > MOST_PREEMPTIONS_PER_S else ()
        return noisy + preempted + (("contradicted",) if self.contradicted else ())


@dataclass(frozen=True)
class Selection:
    """The cells of a report and what they have in common.

    Args:
        cells: In the order in which people read them.
        environment: The only one they are true for.
        baseline: Full id of the arm that speedups refer to.
        campaigns: The campaigns they were taken from, oldest first.
        superseded: Cells that older campaigns or generations had measured as well.
        has_reference: Whether latencies refer to the environment's canary reference; else each
            refers to the speed that the machine had during its own measurement.
    """

    cells: tuple[Cell, ...]
    environment: Environment
    baseline: str
    campaigns: tuple[CampaignRecord, ...]
    superseded: int
    has_reference: bool


_CellKey = tuple[str, str, int]  # workload key, backend, threads
_Passes = Mapping[str | None, list[StoredMeasurement]]  # by campaign uid


def select_cells(
    store: LatencyStore,
    environment: str,
    *,
    baseline: str | None = None,
    campaign: str | None = None,
    backend: str | None = None,
    status: str | None = None,
    **filters: Any,
) -> Selection:
    """Estimate every cell that the filters admit.

    A cell that several campaigns measured is taken from the newest of them, never from several; one of a single
    pass, which cannot know what processes differ, goes behind those of several. Cache misses do not depend on
    when they were counted: those that the chosen campaign lacks come from the others.

    Args:
        store: Where the measurements are.
        environment: Fingerprint; measurements of other environments take no part.
        baseline: Full id of the arm that speedups refer to; None for :data:`DEFAULT_BASELINE`, or
            where that was not measured, for the first backend of the newest campaign.
        campaign: Only campaigns of this name, or the one whose uid begins so.
        backend: Only this arm's cells; the baseline is read all the same.
        status: Only cells with this outcome.
        **filters: Further ones of :class:`hwnas.store.Filters`.

    Raises:
        UnknownName: No such campaign in this environment.
        UsageError: No measurement matches.
    """
    records = _campaigns(store, environment, campaign)
    baseline = baseline or _default_baseline(store, environment, campaign, records)
    arms = [backend, baseline] if backend and backend != baseline else [backend]
    where = [{**filters, "environment": environment, "backend": arm} for arm in arms]
    passes = _by_cell(
        stored
        for chosen in where
        for stored in store.measurements(with_samples=False, with_kernels=False, **chosen)
        if stored.campaign_uid in records or (campaign is None and stored.campaign_uid is None)
    )
    rank = {uid: _rank(record, place) for place, (uid, record) in enumerate(records.items())}
    best_first = {key: _best_first(found, rank) for key, found in passes.items()}
    newest = {key: uids[0] for key, uids in best_first.items()}
    samples = {
        stored.measurement.uid: stored.measurement
        for uid in set(newest.values())
        for chosen in where
        for stored in store.measurements(with_kernels=False, **{**chosen, "campaign_uid": uid})
        if stored.campaign_uid == uid
    }
    reference = store.canary_reference(environment, PROTOCOL_VERSION)
    cells = []
    for key, uid in newest.items():
        own = passes[key][uid]
        partners = passes.get((key[0], baseline, key[2]), {}).get(uid, [])
        cell = _cell(own, partners, samples, baseline, reference)
        counters = [c for u in best_first[key] for s in passes[key][u] for c in s.measurement.counters]
        cell = replace(cell, cache_misses=cache_misses(counters), operator_misses=_operator_misses(counters))
        if cell.operator_misses:
            cell = replace(cell, fused_shares=_fused_shares(store, own))
        cells.append(replace(cell, generation=records[uid].generation if uid else None))
    chosen_cells = [
        c
        for c in _with_contradictions(cells, baseline)
        if (backend is None or c.backend == backend) and (status is None or c.status == status)
    ]
    if not chosen_cells:
        raise UsageError(
            f"no measurement in {store.location} matches", "See what there is: hwnas db query, hwnas db info"
        )
    return Selection(
        cells=tuple(in_order(chosen_cells)),
        environment=next(e for e, _ in store.environments() if e.fingerprint == environment),
        baseline=baseline,
        campaigns=tuple(sorted((records[u] for u in set(newest.values()) if u), key=lambda r: r.created_at)),
        superseded=sum(len(found) > 1 for found in passes.values()),
        has_reference=reference is not None,
    )


def _campaigns(store: LatencyStore, environment: str, name: str | None) -> dict[str, CampaignRecord]:
    """The campaigns that may be shown, by uid."""
    here = [record for record, _ in store.campaigns() if record.environment == environment]
    if name is None:
        return {record.uid: record for record in here}
    found = {r.uid: r for r in here if r.name == name}
    found = found or {r.uid: r for r in here if len(name) >= 4 and r.uid.startswith(name)}
    if not found:
        raise UnknownName("campaign", name, {r.name for r in here})
    return found


def _default_baseline(
    store: LatencyStore, environment: str, campaign: str | None, records: Mapping[str, CampaignRecord]
) -> str:
    scopes: list[Filters] = (
        [{"campaign_uid": uid} for uid in records] if campaign else [{"environment": environment}]
    )
    measured = {arm for scope in scopes for arm in store.values("backend", **scope)}
    if DEFAULT_BASELINE in measured or not records:
        return DEFAULT_BASELINE
    newest = list(records.values())[-1]
    first = next(iter(newest.spec.get("backends", ())), DEFAULT_BASELINE)
    return str(first) if first in measured else DEFAULT_BASELINE


def _by_cell(
    measurements: Iterable[StoredMeasurement],
) -> dict[_CellKey, dict[str | None, list[StoredMeasurement]]]:
    found: dict[_CellKey, dict[str | None, list[StoredMeasurement]]] = defaultdict(lambda: defaultdict(list))
    for stored in measurements:
        m = stored.measurement
        found[m.workload.key, m.backend, m.threads][stored.campaign_uid].append(stored)
    return found


def _rank(record: CampaignRecord, place: int) -> tuple[bool, str, int]:
    """Orders campaigns by how much their latencies count."""
    planned = record.spec.get("settings", {}).get("passes", 2)
    return planned > 1, record.created_at, place


def _best_first(passes: _Passes, rank: Mapping[str, tuple[bool, str, int]]) -> list[str | None]:
    """The uids of the campaigns; measurements without a campaign come last."""
    return sorted(passes, key=lambda uid: rank[uid] if uid is not None else (False, "", 0), reverse=True)


def _cell(
    own: Sequence[StoredMeasurement],
    partners: Sequence[StoredMeasurement],
    samples: Mapping[str, Measurement],
    baseline: str,
    reference: Mapping[str, float] | None,
) -> Cell:
    passes = [samples[s.measurement.uid] for s in own]
    first = passes[0]
    usable = [m for m in passes if m.status is Status.OK]
    lost = [m for m in passes if m.status is not Status.OK]
    cell = Cell(
        workload=first.workload,
        backend=first.backend,
        threads=first.threads,
        status=Status.OK if usable else lost[0].status,
        reason=_reason(lost, len(passes)) if usable else lost[0].reason,
        macs=own[0].macs,
        parameters=own[0].parameters,
        agreement=_worst_agreement(passes),
        campaign=own[0].campaign,
    )
    if not usable:
        return replace(cell, no_comparison="no latency to compare")
    cell = replace(cell, estimate=estimate(usable, reference))
    if first.backend == baseline:
        return replace(cell, no_comparison=IS_BASELINE)
    base = [samples[s.measurement.uid] for s in partners]
    groups = {m.group for m in base if m.status is Status.OK}
    paired = [m for m in usable if m.group in groups]
    if paired:
        return replace(cell, comparison=compare(base, paired))
    bad = next((m for m in base if m.status is not Status.OK), None)
    if bad is not None:
        return replace(cell, no_comparison=f"{baseline} {bad.status}: {bad.reason}")
    return replace(cell, no_comparison=f"not measured side by side with {baseline}")


def _with_contradictions(cells: Iterable[Cell], baseline: str) -> list[Cell]:
    """Mark arms whose latency lies on the other side of the baseline's than their verdict.

    A latency refers to a speed that the host did not have, a speedup to rounds side by side: where the host
    changed a good deal, the first can be off by more than the arms differ.
    """
    cells = list(cells)
    bases = {(c.workload.key, c.threads, c.campaign, c.generation): c for c in cells if c.backend == baseline}

    def contradicted(cell: Cell) -> bool:
        base = bases.get((cell.workload.key, cell.threads, cell.campaign, cell.generation))
        if not (cell.comparison and cell.estimate and base and base.estimate):
            return False
        verdict, faster = cell.comparison.verdict, cell.estimate.latency_s < base.estimate.latency_s
        return verdict is (Verdict.SLOWER if faster else Verdict.FASTER)

    return [replace(c, contradicted=contradicted(c)) for c in cells]


def _operator_misses(counters: Sequence[Counter]) -> tuple[Counter, ...]:
    """The first of each; others count the same."""
    found = {(c.event, c.source, c.geometry): c for c in reversed(counters) if operator_of(c.event)}
    return tuple(found.values())


def _fused_shares(store: LatencyStore, own: Sequence[StoredMeasurement]) -> dict[str, float]:
    """Of the first pass whose kernels are known; others run the same."""
    for stored in own:
        (found,) = store.measurements(uid=stored.measurement.uid, with_samples=False)
        if found.measurement.kernels:
            return fused_shares(found.measurement.kernels)
    return {}


def _reason(lost: Sequence[Measurement], passes: int) -> str:
    """What became of the passes that the estimate lacks."""
    kinds = Tally((m.status, m.reason) for m in lost)
    return "; ".join(f"{n} of {passes} passes {status}: {reason}" for (status, reason), n in kinds.items())


def _worst_agreement(passes: Sequence[Measurement]) -> Agreement | None:
    proofs = [m.agreement for m in passes if m.agreement]
    return max(proofs, key=lambda a: (not a.passed, a.max_relative_error or 0.0), default=None)
