"""Latencies of a search's networks, measured on this host and kept in the latency database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, LockHeld
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import PROTOCOL_VERSION, SEARCH_CAMPAIGN, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.host.lock import measuring_lock
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.events import Watcher
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import Estimate, estimate
from hwnas.store import LatencyStore
from hwnas.workloads.cost import WorkloadCost

#: One pass: what decides between networks before they are trained.
QUICK = Settings(passes=1, max_passes=1, budget_s=0.6, min_rounds=5, warmup_s=0.15, warmup_cap_s=0.8)
#: Several, each by new processes, until the answer is clear: what is said of a network in the end.
CLOSE = Settings(passes=3, max_passes=8, budget_s=1.0, min_rounds=6, warmup_s=0.2, warmup_cap_s=1.0)

_WAIT_S = 2.0


@dataclass(frozen=True)
class Timed:
    """A network on a backend.

    Args:
        estimate: Drift-corrected latency with its 95 % interval [s]; None where it could not be measured.
        reason: Why not.
        kernels: What ran, in order, with times in place where the runtime's profiler tells them.
    """

    estimate: Estimate | None
    reason: str = ""
    kernels: tuple[Kernel, ...] = ()


@dataclass(frozen=True)
class Live:
    """A network that exists as an object of this process alone.

    Args:
        blob: The module and its inputs, for a worker (:func:`hwnas.workloads.live.dump_module`).
        cost: Counted on it.
    """

    blob: bytes
    cost: WorkloadCost


#: Workload and backend -> its latency.
Times = Mapping[tuple[Workload, str], Timed]


class HostTimer:
    """Measures networks by the protocol of campaigns, the machine being locked meanwhile.

    What is measured is kept with its kernels, so that ``hwnas fit`` learns from it.

    Args:
        store: The latency database.
        environment: This host.
        threads: Threads of every backend.
        watcher: Told of progress and of a busy machine.
        search: Name of the search. What it has measured before a kill is not measured again; what another one
            has, on another day, is.
    """

    def __init__(
        self, store: LatencyStore, environment: Environment, threads: int, watcher: Watcher, search: str
    ) -> None:
        self.environment = environment
        self._store, self._threads, self._watcher = store, threads, watcher
        # A part of what makes a campaign this one and no other.
        self._seed = int.from_bytes(hashlib.sha256(search.encode()).digest()[:4])

    def quick(self, workloads: Sequence[Workload], backend: str) -> list[float | None]:
        """The latency of each on one backend, from one pass [s]; None where it cannot be measured.

        Raises:
            CellError: None of them can be.
        """
        found = self.close(workloads, [backend], settings=QUICK)
        estimates = [found[workload, backend].estimate for workload in workloads]
        if workloads and not any(estimates):
            raise CellError(
                f"{backend}: none of {len(workloads)} networks could be measured: "
                f"{found[workloads[0], backend].reason}",
                "hwnas devices says what this host can measure with",
            )
        return [None if e is None else e.latency_s for e in estimates]

    def close(
        self,
        workloads: Sequence[Workload],
        backends: Sequence[str],
        *,
        settings: Settings | None = None,
        is_open: Callable[[Workload, Times], bool] = lambda workload, times: False,
        live: Mapping[str, Live] | None = None,
    ) -> Times:
        """The latency of each on each backend, pass by pass in random order, backends interleaved.

        Args:
            workloads: Networks.
            backends: Full ids.
            settings: Passes, and the most of them; None for :data:`CLOSE`.
            is_open: Whether a network wants another pass after the planned ones. It is told 99 % intervals: six
                looks at a 95 % interval, one after each pass, exclude the truth up to three times as often as a
                single one (Armitage, McPherson and Rowe, Journal of the Royal Statistical Society A 132,
                1969); the remedy is that of :func:`hwnas.measuring.statistics.compare`.
            live: Workload key -> the network, of those that cannot be built from their workload.

        Returns:
            What all passes say of each, with 95 % intervals.

        Raises:
            DatabaseError: A measurement could not be stored.
        """
        settings = replace(settings or CLOSE, seed=self._seed)
        experiment = Experiment(
            name=SEARCH_CAMPAIGN,
            title="Networks of a search",
            workloads=tuple(dict.fromkeys(workloads)),
            backends=tuple(backends),
            threads=self._threads,
            settings=settings,
            cache_misses=CacheMisses("model"),
        )
        networks = live or {}
        costs = {key: network.cost for key, network in networks.items()}
        blobs = {key: network.blob for key, network in networks.items()}
        with alone(self._watcher):
            campaign = Campaign(Plan.of(experiment, costs), self._store, self.environment, self._watcher, blobs)
            with campaign.opened() as outcome:
                for number in range(settings.passes):
                    campaign.measure(campaign.plan.groups(number))
                for number in range(settings.passes, settings.max_passes):
                    so_far = self._times(outcome.campaign_uid, experiment, interim=True)
                    left = [w for w in experiment.workloads if is_open(w, so_far)]
                    if not left:
                        break
                    campaign.plan.add_pass(number, left)
                    campaign.measure(campaign.plan.groups(number))
                times = self._times(outcome.campaign_uid, experiment)
                campaign.count()
        return times

    def _times(self, campaign_uid: str, experiment: Experiment, *, interim: bool = False) -> Times:
        reference = self._store.canary_reference(self.environment.fingerprint, PROTOCOL_VERSION)
        passes: dict[tuple[Workload, str], list[Measurement]] = {}
        for stored in self._store.measurements(campaign_uid=campaign_uid):
            m = stored.measurement
            passes.setdefault((m.workload, m.backend), []).append(m)
        return {
            (workload, backend): _timed(passes.get((workload, backend), []), reference, interim=interim)
            for workload in experiment.workloads
            for backend in experiment.backends
        }


@contextmanager
def alone(watcher: Watcher) -> Iterator[None]:
    """The machine's measuring lock, waited for while somebody else holds it.

    Args:
        watcher: Told whom is waited for.
    """
    with ExitStack() as stack:
        told = False
        while True:
            try:
                stack.enter_context(measuring_lock("hwnas search"))
                break
            except LockHeld as error:
                if not told:
                    watcher.notice(f"waiting: {error.message}")
                    told = True
                time.sleep(_WAIT_S)
        yield


def _timed(passes: Sequence[Measurement], reference: Mapping[str, float] | None, *, interim: bool) -> Timed:
    good = [m for m in passes if m.status is Status.OK]
    if good:
        kernels = next((m.kernels for m in good if any(k.time_s is not None for k in m.kernels)), ())
        return Timed(estimate(good, reference, interim=interim), kernels=tuple(kernels))
    return Timed(None, passes[-1].reason if passes else "it was not measured")
