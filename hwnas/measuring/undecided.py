"""Which workloads deserve another pass: those whose answer is still open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from hwnas.core.measurement import Measurement, Status
from hwnas.core.workload import Workload
from hwnas.measuring.statistics import MARGIN, PROCESS_SPREAD, Estimate, Verdict, compare, estimate
from hwnas.store import LatencyStore


def undecided(
    store: LatencyStore,
    campaign_uid: str,
    workloads: Iterable[Workload],
    arms: Callable[[Workload], Sequence[str]],
    *,
    latency_half_width: float = 0.0,
    reference: Mapping[str, float] | None = None,
) -> list[Workload]:
    """The workloads for which another pass could change an answer.

    Args:
        store: Holds the campaign.
        campaign_uid: The campaign.
        workloads: Those to look at.
        arms: Backends that can still be measured on a workload; the first is the baseline of the verdicts.
        latency_half_width: Relative half width of a latency's interval that is narrow enough; 0 for any.
        reference: Canary durations [s] that latencies refer to.
    """
    found = _measured(store, campaign_uid, workloads)
    return [
        w
        for w, measurements in found.items()
        if _open(measurements, arms(w))
        or (latency_half_width and _widest(measurements, arms(w), reference) > latency_half_width)
    ]


def widths_over_wanted(
    store: LatencyStore,
    campaign_uid: str,
    workloads: Iterable[Workload],
    arms: Callable[[Workload], Sequence[str]],
    *,
    half_width: float,
    latency_half_width: float = 0.0,
    reference: Mapping[str, float] | None = None,
) -> dict[Workload, float]:
    """How uncertain the answer of each workload still is, in parts of what is narrow enough.

    Args:
        store: Holds the campaign.
        campaign_uid: The campaign.
        workloads: Those to look at; without any, nothing is read.
        arms: Backends that can still be measured on a workload; the first is the baseline.
        half_width: Relative half width of a speedup's interval that is narrow enough; with a single arm, of its
            latency's as these passes tell it.
        latency_half_width: Of every latency's interval; 0 where speedups alone count.
        reference: Canary durations [s] that latencies refer to.

    Returns:
        Half width over the one that is narrow enough, of the 95 % interval that is furthest from it: at most 1
        where all are narrow enough, 0 without any.
    """
    found = _measured(store, campaign_uid, workloads)
    return {
        w: max(
            _half_width(measurements, arms(w)) / half_width,
            _widest(measurements, arms(w), reference) / latency_half_width if latency_half_width else 0.0,
        )
        for w, measurements in found.items()
    }


def _measured(
    store: LatencyStore, campaign_uid: str, workloads: Iterable[Workload]
) -> dict[Workload, list[Measurement]]:
    found: dict[Workload, list[Measurement]] = {w: [] for w in workloads}
    if found:
        for stored in store.measurements(campaign_uid=campaign_uid, status=Status.OK, with_kernels=False):
            own = found.get(stored.measurement.workload)
            if own is not None:
                own.append(stored.measurement)
    return found


def _half_width(measurements: Sequence[Measurement], backends: Sequence[str]) -> float:
    arms = [[m for m in measurements if m.backend == b] for b in backends]
    arms = [arm for arm in arms if arm]
    if not arms:
        return 0.0
    if len(arms) == 1:
        only = _alone(arms[0])
        return (only.high_s - only.low_s) / (2 * only.latency_s)
    groups = {m.group for m in arms[0]}
    paired = [arm for arm in arms[1:] if groups & {m.group for m in arm}]
    found = [compare(arms[0], arm) for arm in paired]
    return max(((c.high - c.low) / (2 * c.speedup) for c in found), default=0.0)


def _alone(arm: Sequence[Measurement]) -> Estimate:
    """A latency that is compared with no other, as its passes tell it for the time in which they ran.

    It has to be known as closely as a speedup, and so by as many passes. The interval that is reported also
    holds what the host does at other times: to bring that within the margin would take four passes at the
    least. Who wants it so says how closely (`latency_half_width`).
    """
    return estimate(arm, None, spread=PROCESS_SPREAD)


def _widest(
    measurements: Sequence[Measurement], backends: Sequence[str], reference: Mapping[str, float] | None
) -> float:
    """How far a latency's interval reaches at most on either side of it, relative; 0 without any."""
    arms = ([m for m in measurements if m.backend == b] for b in backends)
    found = [estimate(arm, reference) for arm in arms if arm]
    return max((max(e.high_s / e.latency_s, e.latency_s / e.low_s) - 1 for e in found), default=0.0)


def _open(measurements: Sequence[Measurement], backends: Sequence[str]) -> bool:
    arms = [[m for m in measurements if m.backend == b] for b in backends]
    if not arms:
        return False
    if not all(arms):
        return True
    if len(arms) == 1:
        only = _alone(arms[0])
        return (only.high_s - only.low_s) / 2 > MARGIN * only.latency_s
    baseline = arms[0]
    groups = {m.group for m in baseline}
    return any(not groups & {m.group for m in arm} or not _decided(baseline, arm) for arm in arms[1:])


def _decided(baseline: Sequence[Measurement], arm: Sequence[Measurement]) -> bool:
    verdict = compare(baseline, arm).verdict
    if verdict in (Verdict.FASTER, Verdict.SLOWER):
        return compare(baseline, arm, interim=True).verdict is verdict
    return verdict is Verdict.SAME
