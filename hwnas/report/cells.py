"""From stored passes to cells: one number with its interval, and one verdict, for each."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from hwnas.core.counter import Counter, cache_misses, operator_of
from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.measurement import Agreement, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.measuring.busy import MOST_PREEMPTIONS_PER_S
from hwnas.measuring.statistics import Comparison, Estimate, Verdict, compare, estimate
from hwnas.report.kernel_summary import summarise_passes
from hwnas.report.order import in_order
from hwnas.report.reading import CellKey, Reading, read_passes
from hwnas.store import CampaignRecord, LatencyStore, StoredMeasurement

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
        baseline: Full id of the arm compared with; empty where there is no comparison.
        passes: Indices of the passes in `estimate`; each was served by one process of the arm, with all its
        cells.
        paired_passes: Indices of those in `comparison`.
        macs: Multiply-adds of one inference, or None where nobody counted them.
        parameters: Parameters of the network, or None where nobody counted them.
        agreement: The worst proof of equal outputs among the passes; None without any.
        campaign: Name of the campaign, or None for measurements without one.
        generation: Generation of that campaign.
        campaign_uid: That campaign in the database.
        cache_misses: Last-level-cache misses of one inference, one for each source and cache geometry.
        operator_misses: Modelled ones by kind of operator.
        contradicted: Whether the latencies of both arms say the opposite of the verdict.
        fused_shares: Kind of operator -> share of the network's operators of that kind that run inside
            another's kernel, where some do; None where no kernels are stored.
        kernel_times_s: Kind of operator -> time in its kernels in one inference [s]; empty where
            `no_kernel_times` says why.
        no_kernel_times: Why there are none, else empty.
        beside_kernels_s: Raw median of the latency in the pass whose kernels those are [s]; None without times.
        heap: The allocator's settings in the arm's processes, as environment variables; empty where it had the
            C library's own, None where nothing is stored of it.
    """

    workload: Workload
    backend: str
    threads: int
    status: Status
    reason: str = ""
    estimate: Estimate | None = None
    comparison: Comparison | None = None
    no_comparison: str = ""
    baseline: str = ""
    passes: tuple[int, ...] = ()
    paired_passes: tuple[int, ...] = ()
    macs: int | None = None
    parameters: int | None = None
    agreement: Agreement | None = None
    campaign: str | None = None
    generation: int | None = None
    campaign_uid: str | None = None
    cache_misses: tuple[Counter, ...] = ()
    operator_misses: tuple[Counter, ...] = ()
    contradicted: bool = False
    fused_shares: Mapping[str, float] | None = None
    kernel_times_s: Mapping[str, float] = field(default_factory=dict)
    no_kernel_times: str = ""
    beside_kernels_s: float | None = None
    heap: Mapping[str, str] | None = None

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
        campaigns: The campaigns they were taken from, oldest first, and those that lent them cache misses.
        superseded: Cells that older campaigns or generations had measured as well.
        has_reference: Whether latencies refer to the environment's canary reference; else each
            refers to the speed that the machine had during its own measurement.
        location: The database that they come from.
    """

    cells: tuple[Cell, ...]
    environment: Environment
    baseline: str
    campaigns: tuple[CampaignRecord, ...]
    superseded: int
    has_reference: bool
    location: str


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
    """Estimate every cell that the filters admit: :class:`Cells` of :func:`read_passes`, for one baseline.

    Args:
        store: Where the measurements are.
        environment: Fingerprint; measurements of other environments take no part.
        baseline: Full id of the arm that speedups refer to; None for the usual one.
        campaign: Only campaigns of this name, or the one whose uid begins so.
        backend: Only this arm's cells; the baseline is read all the same.
        status: Only cells with this outcome.
        **filters: Further ones of :class:`hwnas.store.Filters`.

    Raises:
        UnknownName: No such campaign in this environment.
        UsageError: No measurement matches.
    """
    reading = read_passes(store, environment, baseline=baseline, campaign=campaign, backend=backend, **filters)
    return Cells(reading).select(backend=backend, status=status)


class Cells:
    """The cells of a reading: estimated once, and compared with whatever baseline is asked for.

    A cell that several campaigns measured is taken from the newest of them, never from several; one of a
    single pass, which cannot know what processes differ, goes behind those of several. Cache misses and
    times of kernels do not depend on when they were taken: what the chosen campaign lacks the others give.

    Args:
        reading: What was read.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known: dict[str, list[Cell]] = {}

    def select(
        self, baseline: str | None = None, *, backend: str | None = None, status: str | None = None
    ) -> Selection:
        """The cells with their speedups.

        Args:
            baseline: Full id of the arm that speedups refer to; None for that of the reading.
            backend: Only this arm's cells.
            status: Only cells with this outcome.

        Raises:
            UsageError: No cell is left.
        """
        r = self._reading
        baseline = baseline or r.baseline
        cells = [
            c
            for c in self._against(baseline)
            if (backend is None or c.backend == backend) and (status is None or c.status == status)
        ]
        if not cells:
            raise UsageError(
                f"no measurement in {r.location} matches", "See what there is: hwnas db query, hwnas db info"
            )
        places = {(c.workload.key, c.backend, c.threads) for c in cells}
        shown = {key: uids for key, uids in r.best_first.items() if key in places}
        counting = {uids[0] for uids in shown.values()} | {
            uid
            for key, uids in shown.items()
            for uid in uids[1:]
            if any(s.measurement.counters for s in r.passes[key][uid])
        }
        return Selection(
            cells=tuple(in_order(cells)),
            environment=r.environment,
            baseline=baseline,
            campaigns=tuple(
                sorted((r.campaigns[u] for u in counting if u), key=lambda c: (c.created_at, c.name, c.uid))
            ),
            superseded=sum(len(uids) > 1 for uids in shown.values()),
            has_reference=r.reference is not None,
            location=r.location,
        )

    def _against(self, baseline: str) -> list[Cell]:
        """Every cell with its comparison with a baseline."""
        if baseline not in self._known:
            compared = [
                _compared(cell, self._passes(key), self._passes((key[0], baseline, key[2]), of=key), baseline)
                for key, cell in self._estimated.items()
            ]
            self._known[baseline] = _with_contradictions(compared, baseline)
        return self._known[baseline]

    def _passes(self, key: CellKey, of: CellKey | None = None) -> list[Measurement]:
        """The passes of a cell in the campaign that counts for the cell `of`, itself where none is named."""
        uid = self._reading.best_first[of or key][0]
        stored = self._reading.passes.get(key, {}).get(uid, [])
        return [self._reading.samples[s.measurement.uid] for s in stored]

    @cached_property
    def _estimated(self) -> dict[CellKey, Cell]:
        """Every cell without a comparison."""
        r = self._reading
        found = {}
        for key, uids in r.best_first.items():
            uid = uids[0]
            own = r.passes[key][uid]
            everywhere = [s for u in uids for s in r.passes[key][u]]
            counters = [c for s in everywhere for c in s.measurement.counters]
            cell = replace(
                _cell(own[0], self._passes(key), r.reference),
                generation=r.campaigns[uid].generation if uid else None,
                campaign_uid=uid,
                cache_misses=cache_misses(counters),
                operator_misses=_operator_misses(counters),
            )
            summary, missing = summarise_passes(
                [r.kernels[s.measurement.uid] for s in everywhere if s.measurement.uid in r.kernels],
                [s.measurement.effective.get("kernels_missing", "") for s in everywhere],
            )
            found[key] = replace(
                cell,
                fused_shares=summary.fused_shares,
                kernel_times_s=summary.times_s,
                beside_kernels_s=summary.beside_s,
                no_kernel_times=missing,
            )
        return found


def _cell(
    stored: StoredMeasurement, passes: Sequence[Measurement], reference: Mapping[str, float] | None
) -> Cell:
    """The cell of some passes, of which `stored` is the first as the database knows it."""
    first = passes[0]
    usable = [m for m in passes if m.status is Status.OK]
    lost = [m for m in passes if m.status is not Status.OK]
    return Cell(
        workload=first.workload,
        backend=first.backend,
        threads=first.threads,
        status=Status.OK if usable else lost[0].status,
        reason=_reason(lost, len(passes)) if usable else lost[0].reason,
        estimate=estimate(usable, reference) if usable else None,
        passes=_indices(usable),
        macs=stored.macs,
        parameters=stored.parameters,
        agreement=_worst_agreement(passes),
        campaign=stored.campaign,
        heap=next((m.effective["allocator"] for m in usable if "allocator" in m.effective), None),
    )


def _compared(cell: Cell, own: Sequence[Measurement], base: Sequence[Measurement], baseline: str) -> Cell:
    """The cell with its comparison with passes of the baseline, or with why there is none."""
    if cell.estimate is None:
        return replace(cell, no_comparison="no latency to compare")
    if cell.backend == baseline:
        return replace(cell, no_comparison=IS_BASELINE)
    groups = {m.group for m in base if m.status is Status.OK}
    paired = [m for m in own if m.status is Status.OK and m.group in groups]
    if paired:
        return replace(
            cell, comparison=compare(base, paired), baseline=baseline, paired_passes=_indices(paired)
        )
    bad = next((m for m in base if m.status is not Status.OK), None)
    if bad is not None:
        return replace(cell, no_comparison=f"{baseline} {bad.status}: {bad.reason}")
    return replace(cell, no_comparison=f"not measured side by side with {baseline}")


def _indices(passes: Sequence[Measurement]) -> tuple[int, ...]:
    return tuple(sorted({m.pass_index for m in passes}))


def _with_contradictions(cells: Iterable[Cell], baseline: str) -> list[Cell]:
    """Mark arms whose latency lies on the other side of the baseline's than their verdict.

    A latency refers to a speed that the host did not have, a speedup to rounds side by side: where the host
    changed a good deal, the first can be off by more than the arms differ.
    """
    cells = list(cells)
    bases = {(c.workload.key, c.threads, c.campaign_uid): c for c in cells if c.backend == baseline}

    def contradicted(cell: Cell) -> bool:
        base = bases.get((cell.workload.key, cell.threads, cell.campaign_uid))
        if not (cell.comparison and cell.estimate and base and base.estimate):
            return False
        verdict, faster = cell.comparison.verdict, cell.estimate.latency_s < base.estimate.latency_s
        return verdict is (Verdict.SLOWER if faster else Verdict.FASTER)

    return [replace(c, contradicted=contradicted(c)) for c in cells]


def _operator_misses(counters: Sequence[Counter]) -> tuple[Counter, ...]:
    """The first of each; others count the same."""
    found = {(c.event, c.source, c.geometry): c for c in reversed(counters) if operator_of(c.event)}
    return tuple(found.values())


def _reason(lost: Sequence[Measurement], passes: int) -> str:
    """What became of the passes that the estimate lacks."""
    kinds = Tally((m.status, m.reason) for m in lost)
    return "; ".join(f"{n} of {passes} passes {status}: {reason}" for (status, reason), n in kinds.items())


def _worst_agreement(passes: Sequence[Measurement]) -> Agreement | None:
    proofs = [m.agreement for m in passes if m.agreement]
    return max(proofs, key=lambda a: (not a.passed, a.max_relative_error or 0.0), default=None)
