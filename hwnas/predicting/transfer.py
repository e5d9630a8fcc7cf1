"""A predictor of another host, adapted to this one with a few measurements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import BackendUnavailable, CellError, UsageError
from hwnas.core.workload import Workload
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
    of the logarithms of measured / predicted time, weighted by time and drawn towards the common one. Kernels
    that were measured here are looked up.

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
    common, own = _factors(source, networks, times)
    kernel_model = _scaled(source.kernel_model, common, own)
    # Neither what is looked up nor a network's own factors may calibrate its interval.
    sums = []
    for place, network in enumerate(networks):
        others = [i for i in range(len(networks)) if i != place] or [place]
        without = _factors(source, [networks[i] for i in others], [times[i] for i in others])
        found = _scaled(source.kernel_model, *without).predict(network.kernels, lookup=False)
        sums.append(add_up(found, network.kernels))
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


def _factors(
    source: LatencyPredictor, networks: Sequence[MeasuredNetwork], times: Sequence[np.ndarray]
) -> tuple[float, dict[str, float]]:
    """Logarithms of the factor of all kernels, and of those of categories."""
    weight: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for network, measured in zip(networks, times, strict=True):
        predicted = source.kernel_model.predict(network.kernels, lookup=False).times_s
        for kernel, here, there in zip(network.kernels, measured, predicted, strict=True):
            if here > 0 and there > 0:
                weight[kernel.category] += here
                total[kernel.category] += here * float(np.log(here / there))
    everything = sum(weight.values())
    if not everything:
        return 0.0, {}
    common = sum(total.values()) / everything
    prior = _PRIOR_SHARE * everything
    return common, {c: (total[c] + prior * common) / (weight[c] + prior) for c in weight}


def _scaled(model: KernelModel, common: float, own: Mapping[str, float]) -> KernelModel:
    def scaled(one: CategoryModel, factor: float) -> CategoryModel:
        return replace(one, limits=one.limits * np.exp(factor), spread=float(np.hypot(one.spread, _SPREAD)))

    return KernelModel(
        categories={c: scaled(m, own.get(c, common)) for c, m in model.categories.items()},
        kinds={k: scaled(m, common) for k, m in model.kinds.items()},
        everything=scaled(model.everything, common),
        table={},
        free=model.free,
        types=model.types,
        geometries=model.geometries,
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
