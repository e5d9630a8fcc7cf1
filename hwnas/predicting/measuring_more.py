"""More training data where it is needed: draw networks, measure those that tell most, learn, and go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, UsageError
from hwnas.core.measurement import TRAINING_CAMPAIGN, Status
from hwnas.core.workload import Workload
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.events import TimedWatcher, Watcher
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_unchecked
from hwnas.predicting.listing import listing_backend
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.sampling import informative, random_workload
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore

#: Networks between two fits: worth the start of the processes that measure them.
_AT_ONCE = 12
#: Trees of the fits in between, which only choose.
_FEW_TREES = 25
_CHOOSING = "choosing what to measure next"
#: A kernel table needs many networks more than it needs each to a percent.
_SETTINGS = Settings(passes=1, max_passes=1, budget_s=0.4, min_rounds=4, warmup_s=0.1, warmup_cap_s=0.5)


def measure_more(
    store: LatencyStore,
    environment: Environment,
    backends: Sequence[str],
    threads: int,
    budget_s: float,
    watcher: Watcher,
    *,
    settings: Settings = _SETTINGS,
    at_once: int = _AT_ONCE,
    draw: Callable[[np.random.Generator], Workload] = random_workload,
    told: Callable[[str], None] = lambda text: None,
) -> int:
    """Measure networks that predictors would learn most from, until the time is over.

    Every network is stored when it is measured, so that whatever ends this loses nothing, and another call goes
    on with what is known by then. The caller holds the measuring lock.

    Args:
        store: Where they go, and what predictors learn from.
        environment: This host.
        backends: Full ids.
        threads: Threads of each.
        budget_s: Time [s]; a network that would not be measured in it is not begun, but for the first.
        watcher: Told of progress, in time.
        settings: How each is measured.
        at_once: Networks between two fits.
        draw: Draws a network.
        told: Called with what is being done besides.

    Returns:
        How many cells were measured; fewer than there is time for where all that is drawn was measured before.

    Raises:
        BackendUnavailable: A backend cannot list kernels here.
        CellError: Nothing of a round could be measured.
        DatabaseError: A measurement could not be stored; those before it are.
    """
    for name in backends:
        listing_backend(name)
    start = time.monotonic()
    until = start + budget_s
    measured = 0
    while time.monotonic() < until:
        # Of whatever status, so that what fails is not drawn again.
        so_far = store.count(environment=environment.fingerprint)
        rng = np.random.default_rng(so_far)
        told(f"{_CHOOSING}: reading what is known")
        known = _measured(store, environment, backends, threads)
        predictors = _predictors(store, environment, backends, threads, told)
        # The other half of what is left is for measuring.
        looking_until = (time.monotonic() + until) / 2
        chosen = informative(predictors, rng, at_once, draw, known, looking_until, partial(_tell, told))
        if not chosen:
            break
        watching = TimedWatcher(watcher, start, budget_s, measured)
        round_ = measure_workloads(store, environment, chosen, backends, threads, watching, settings, until)
        if not measured and not round_.tried:
            # Less time than any network takes: whoever asks again and again gets on nevertheless.
            round_ = measure_workloads(store, environment, chosen[:1], backends, threads, watching, settings)
        if round_.tried and not round_.ok:
            raise CellError(
                f"none of {round_.tried} cells could be measured on {', '.join(backends)}",
                "hwnas devices says what this host can measure with; hwnas db query --status failed, why",
            )
        measured += round_.ok
        if not round_.complete:
            break
    return measured


def _tell(told: Callable[[str], None], text: str) -> None:
    told(f"{_CHOOSING}: {text}")


def _measured(store: LatencyStore, environment: Environment, backends: Sequence[str], threads: int) -> set[str]:
    """Keys of the workloads that every backend has measured."""
    found = [
        {
            s.measurement.workload.key
            for s in store.measurements(
                environment=environment.fingerprint,
                backend=name,
                threads=threads,
                status=str(Status.OK),
                with_samples=False,
                with_kernels=False,
            )
        }
        for name in backends
    ]
    return set.intersection(*found)


def _predictors(
    store: LatencyStore,
    environment: Environment,
    backends: Sequence[str],
    threads: int,
    told: Callable[[str], None],
) -> list[LatencyPredictor]:
    """Of the backends that have enough to learn from; they only choose."""
    found = []
    for name in backends:
        try:
            training = read_training_set(store, environment.fingerprint, name, threads)
        except UsageError:
            continue
        told(f"{_CHOOSING}: learning from {len(training.networks)} networks on {name}")
        found.append(fit_unchecked(training, environment, trees=_FEW_TREES))
    return found


class Round(NamedTuple):
    """What was measured of some networks.

    Args:
        ok: Cells that have a latency.
        tried: Cells that were begun.
        complete: Whether there was time for all.
    """

    ok: int
    tried: int
    complete: bool


def measure_workloads(
    store: LatencyStore,
    environment: Environment,
    workloads: Sequence[Workload],
    backends: Sequence[str],
    threads: int,
    watcher: Watcher,
    settings: Settings = _SETTINGS,
    until: float = math.inf,
) -> Round:
    """Measure some networks for a predictor's sake; whatever was measured before.

    Args:
        store: Where they go.
        environment: This host.
        workloads: The networks.
        backends: Full ids.
        threads: Threads of each.
        watcher: Told of progress.
        settings: How each is measured.
        until: Time of :func:`time.monotonic` by which the last of them should end.

    Raises:
        DatabaseError: A measurement could not be stored; those before it are.
    """
    experiment = Experiment(
        name=TRAINING_CAMPAIGN,
        title="Networks that a predictor learns from",
        workloads=tuple(dict.fromkeys(workloads)),
        backends=tuple(backends),
        threads=threads,
        settings=settings,
        cache_misses=CacheMisses("model"),
    )
    campaign = Campaign(Plan.of(experiment), store, environment, watcher)
    complete = True
    with campaign.opened() as outcome:
        for number in range(settings.passes):
            complete = complete and campaign.measure(campaign.plan.groups(number), until)
        if outcome.counts:
            campaign.count(until)
    return Round(outcome.counts.get(Status.OK, 0), sum(outcome.counts.values()), complete)
