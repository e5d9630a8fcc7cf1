"""Which workloads deserve another pass: those whose answer is still open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hwnas.core.measurement import Measurement, Status
from hwnas.core.workload import Workload
from hwnas.measuring.statistics import MARGIN, Verdict, compare, estimate
from hwnas.store import LatencyStore


def undecided(
    store: LatencyStore,
    campaign_uid: str,
    workloads: Iterable[Workload],
    arms: Callable[[Workload], Sequence[str]],
) -> list[Workload]:
    """The workloads for which another pass could change an answer.

    Args:
        store: Holds the campaign.
        campaign_uid: The campaign.
        workloads: Those to look at.
        arms: Backends that can still be measured on a workload; the first is the baseline of the verdicts.
    """
    wanted = {w.key: w for w in workloads}
    found: dict[str, list[Measurement]] = {key: [] for key in wanted}
    for stored in store.measurements(campaign_uid=campaign_uid, status=Status.OK, with_kernels=False):
        key = stored.measurement.workload.key
        if key in found:
            found[key].append(stored.measurement)
    return [wanted[key] for key, measurements in found.items() if _open(measurements, arms(wanted[key]))]


def _open(measurements: Sequence[Measurement], backends: Sequence[str]) -> bool:
    arms = [[m for m in measurements if m.backend == b] for b in backends]
    if not arms:
        return False
    if not all(arms):
        return True
    if len(arms) == 1:
        only = estimate(arms[0], None)
        return (only.high_s - only.low_s) / 2 > MARGIN * only.latency_s
    baseline = arms[0]
    groups = {m.group for m in baseline}
    return any(not groups & {m.group for m in arm} or not _decided(baseline, arm) for arm in arms[1:])


def _decided(baseline: Sequence[Measurement], arm: Sequence[Measurement]) -> bool:
    verdict = compare(baseline, arm).verdict
    if verdict in (Verdict.FASTER, Verdict.SLOWER):
        return compare(baseline, arm, interim=True).verdict is verdict
    return verdict is Verdict.SAME
