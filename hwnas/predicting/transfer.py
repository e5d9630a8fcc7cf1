"""A predictor of another host, adapted to this one with a few measurements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import BackendUnavailable, CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.measuring.counting import CacheMisses
from hwnas.predicting.kernel_model import CategoryModel, KernelModel, Lookup, lookups
from hwnas.predicting.kernel_times import attributed_times
from hwnas.predicting.known_networks import known_networks
from hwnas.predicting.network_model import NetworkModel, add_up, fit_network_model
from hwnas.predicting.predictor import LatencyPredictor, Limits
from hwnas.predicting.training_set import FEWEST_NETWORKS, MeasuredNetwork

#: Prior of a category's own factor: as if it had so many seconds of evidence for the factor of all kernels,
#: in parts of all time measured.
_PRIOR_SHARE = 0.02
#: Smallest spread of a kernel's time on a host where it was not measured.
_SPREAD = 0.15
#: Fewest networks for a calibration of their own.
_CALIBRATED = 4


def adapt(
    source: LatencyPredictor, networks: Sequence[MeasuredNetwork], environment: Environment
) -> LatencyPredictor:
    """Bring another host's predictor to this one.

    The hosts differ by a factor of all kernels and, where there is evidence, by one of each category: the mean
    of the logarithms of measured / predicted time, weighted by time and drawn towards the common one. A
    category that the other host does not have, such as a primitive for other instructions, gets its factor on
    what its kernels are predicted by there. Kernels that were measured here are looked up.

    Args:
        source: Of the same backend.
        networks: Measured on this host.
        environment: This host's.

    Raises:
        UsageError: No network was given.
    """
    if not networks:
        raise UsageError(
            "no network was measured on this host", "Measure some: hwnas fit --from ... --samples 20"
        )
    times, _ = attributed_times(networks)
    there = on_own_cache(source.kernel_model, source.environment, environment)
    evidence = [_evidence(there, network, own) for network, own in zip(networks, times, strict=True)]
    common, kernel_model = _brought_here(there, evidence)
    # Neither what is looked up nor a network's own factors may calibrate its interval.
    sums = []
    for place, network in enumerate(networks):
        others = [one for i, one in enumerate(evidence) if i != place] or evidence
        _, without = _brought_here(there, others)
        sums.append(add_up(without.predict(network.kernels, lookup=False), network.kernels))
    if len(networks) >= _CALIBRATED:
        network_model = fit_network_model(sums, [n.latency_s for n in networks])
        if len(networks) < FEWEST_NETWORKS:
            # None of so few stands for the tenth that an interval may miss.
            quantile = max(network_model.quantile, source.network_model.quantile)
            network_model = replace(network_model, quantile=quantile)
    else:
        old = source.network_model
        network_model = NetworkModel(1.0, 0.0, max(old.floor, _SPREAD), old.quantile)
    scale = float(np.exp(-common))
    return LatencyPredictor(
        backend=source.backend,
        threads=source.threads,
        environment=environment,
        kernel_model=replace(kernel_model, table=_measured(networks, times)),
        network_model=network_model,
        limits=Limits(source.limits.macs_per_s * scale, source.limits.bytes_per_s * scale),
        networks=len(networks),
        known=known_networks(networks, kernel_model.free),
    )


def on_own_cache(model: KernelModel, there: Environment, here: Environment) -> KernelModel:
    """A model of another host's kernels that reads their misses on this host's cache where it read its own's.

    Time depends on the cache that kernels run on, and networks that were measured here tell the misses of this
    one.

    Args:
        model: Of the other host.
        there: The other host.
        here: This one.
    """
    theirs, ours = (str(CacheMisses("model").on(host).caches[0]) for host in (there, here))
    return replace(model, geometries=tuple(ours if g == theirs else g for g in model.geometries))


class _Evidence(NamedTuple):
    """What one network tells of how two hosts differ, by category of its kernels.

    Args:
        weight: Their time here [s].
        total: The same, times the logarithm of their time here over that predicted for the other host.
        learned: What that was predicted by.
    """

    weight: dict[str, float]
    total: dict[str, float]
    learned: dict[str, CategoryModel]


def _evidence(model: KernelModel, network: MeasuredNetwork, times_s: np.ndarray) -> _Evidence:
    found = _Evidence(defaultdict(float), defaultdict(float), {})
    predicted = model.predict(network.kernels, lookup=False).times_s
    for kernel, here, there in zip(network.kernels, times_s, predicted, strict=True):
        if here > 0 and there > 0:
            found.weight[kernel.category] += float(here)
            found.total[kernel.category] += float(here) * float(np.log(here / there))
            found.learned[kernel.category] = model.model_of(kernel)
    return found


def _brought_here(model: KernelModel, evidence: Sequence[_Evidence]) -> tuple[float, KernelModel]:
    """Logarithm of the factor of all kernels, and a model that has those of categories; it looks nothing up."""
    learned = {c: m for one in evidence for c, m in one.learned.items()}
    weight = {c: sum(one.weight.get(c, 0.0) for one in evidence) for c in learned}
    total = {c: sum(one.total.get(c, 0.0) for one in evidence) for c in learned}
    everything = sum(weight.values())
    common = sum(total.values()) / everything if everything else 0.0
    prior = _PRIOR_SHARE * everything
    own = {c: (total[c] + prior * common) / (weight[c] + prior) for c in learned}

    def scaled(one: CategoryModel, factor: float) -> CategoryModel:
        return replace(one, limits=one.limits * np.exp(factor), spread=float(np.hypot(one.spread, _SPREAD)))

    categories = {**learned, **model.categories}
    return common, replace(
        model,
        categories={c: scaled(m, own.get(c, common)) for c, m in categories.items()},
        kinds={k: scaled(m, common) for k, m in model.kinds.items()},
        everything=scaled(model.everything, common),
        table={},
    )


def _measured(networks: Sequence[MeasuredNetwork], times: Sequence[np.ndarray]) -> dict[str, Lookup]:
    """What was measured here."""
    kernels = [k for n in networks for k in n.kernels]
    owners = [i for i, n in enumerate(networks) for _ in n.kernels]
    return lookups(kernels, np.concatenate(times), owners)


def choose_samples(
    source: LatencyPredictor,
    candidates: Sequence[Workload],
    count: int,
    told: Callable[[str], None] = lambda text: None,
) -> list[Workload]:
    """The networks whose measurement tells most about a new host: those that differ most in where time goes.

    Each next one is the farthest from those chosen, in shares of the predicted time by category of kernels.
    Source: Gonzalez, Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38,
    1985.

    Args:
        source: A predictor of another host.
        candidates: What may be measured.
        count: How many are wanted.
        told: Called with what is being done.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
        UsageError: There are fewer that can be predicted.
    """
    shares: list[dict[str, float]] = []
    known: list[Workload] = []
    for number, workload in enumerate(candidates):
        told(f"compiling candidate {number + 1} of {len(candidates)}")
        try:
            kernels = source.kernels(workload)
        except BackendUnavailable:
            raise
        except (CellError, UsageError):
            continue
        times_s = source.kernel_model.predict(kernels).times_s
        if not times_s.sum():
            continue
        own: dict[str, float] = defaultdict(float)
        for kernel, time_s in zip(kernels, times_s, strict=True):
            own[kernel.category] += float(time_s / times_s.sum())
        shares.append(own)
        known.append(workload)
    if len(known) < count:
        raise UsageError(
            f"only {len(known)} networks can be listed here", f"Give --samples {len(known)} or fewer"
        )
    names = sorted({c for own in shares for c in own})
    places = np.array([[own.get(c, 0.0) for c in names] for own in shares])
    # The most usual one first.
    first = int(np.argmin(np.abs(places - places.mean(axis=0)).sum(axis=1)))
    chosen = [first]
    nearest: np.ndarray = np.abs(places - places[first]).sum(axis=1)
    while len(chosen) < count:
        nearest[chosen] = -1.0
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.abs(places - places[chosen[-1]]).sum(axis=1))
    return [known[i] for i in chosen]
