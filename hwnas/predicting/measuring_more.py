"""More training data where it is needed: draw networks, measure those that tell most, learn, and go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, UsageError
from hwnas.core.measurement import TRAINING_CAMPAIGN, Status
from hwnas.core.workload import Workload
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.events import Watcher
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.listing import listing_backend
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.sampling import informative, random_workload
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore

#: Networks between two fits: worth the start of the processes that measure them.
_AT_ONCE = 12
#: Trees of the fits in between, which only choose.
_FEW_TREES = 25
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
        budget_s: Time [s]; the networks that are under way when it is over are finished.
        watcher: Told of progress.
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
    until = time.monotonic() + budget_s
    measured = 0
    while time.monotonic() < until:
        # Of whatever status, so that what fails is not drawn again.
        so_far = store.count(environment=environment.fingerprint)
        rng = np.random.default_rng(so_far)
        told("choosing what to measure next")
        known = _measured(store, environment, backends, threads)
        predictors = _predictors(store, environment, backends, threads)
        chosen = informative(predictors, rng, at_once, draw, known)
        if not chosen:
            break
        added = measure_workloads(store, environment, chosen, backends, threads, watcher, settings)
        if not added:
            raise CellError(
                f"none of {len(chosen)} networks could be measured on {', '.join(backends)}",
                "hwnas devices says what this host can measure with; hwnas db query --status failed, why",
            )
        measured += added
    return measured


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
    store: LatencyStore, environment: Environment, backends: Sequence[str], threads: int
) -> list[LatencyPredictor]:
    """Of the backends that have enough to learn from."""
    found = []
    for name in backends:
        try:
            training = read_training_set(store, environment.fingerprint, name, threads)
        except UsageError:
            continue
        found.append(fit_predictor(training, environment, trees=_FEW_TREES).predictor)
    return found


def measure_workloads(
    store: LatencyStore,
    environment: Environment,
    workloads: Sequence[Workload],
    backends: Sequence[str],
    threads: int,
    watcher: Watcher,
    settings: Settings = _SETTINGS,
) -> int:
    """Measure some networks for a predictor's sake; whatever was measured before.

    Returns:
        How many cells were measured.

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
    with campaign.opened() as outcome:
        for number in range(settings.passes):
            campaign.measure(campaign.plan.groups(number))
        campaign.count()
    return outcome.counts.get(Status.OK, 0)
