"""From a training set to a predictor, checked on families of networks that it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.workload import Workload
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelModel, fit_kernel_model
from hwnas.predicting.kernel_times import attributed_times
from hwnas.predicting.known_networks import known_networks
from hwnas.predicting.network_model import NetworkModel, Sum, add_up, fit_network_model
from hwnas.predicting.predictor import LatencyPredictor, Limits
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet

#: Families are left out in so many groups.
_GROUPS = 10
#: In each forest.
DEFAULT_TREES = 40
#: Of the rates that kernels reach: the very best are those of caches that the next kernel does not find.
_BEST = 0.98


@dataclass(frozen=True)
class LeftOut:
    """One network, predicted by a predictor that has not seen its family.

    Args:
        workload: The network.
        family: What was left out.
        measured_s: Its measured latency [s].
        predicted_s: Its predicted one [s].
        low_s: Lower end of the prediction's 90 % interval [s].
        high_s: Upper end [s].
        macs: Multiply-adds of one inference, where they were counted.
    """

    workload: Workload
    family: str
    measured_s: float
    predicted_s: float
    low_s: float
    high_s: float
    macs: int | None

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_s / self.measured_s - 1.0

    @property
    def covered(self) -> bool:
        """Whether the interval holds the measured latency."""
        return self.low_s <= self.measured_s <= self.high_s


@dataclass(frozen=True)
class Accuracy:
    """How good predictions of unseen networks are.

    Args:
        networks: How many.
        within_10: Share of them whose error is at most 10 %.
        rmspe: Root mean square of the relative errors.
        mape: Mean of their absolute values.
        coverage: Share of the 90 % intervals that hold the measured latency.
    """

    networks: int
    within_10: float
    rmspe: float
    mape: float
    coverage: float

    @classmethod
    def of(cls, found: Sequence[LeftOut]) -> Accuracy:
        """Accuracy of some predictions."""
        errors = np.array([f.error for f in found])
        return cls(
            len(found),
            float(np.mean(np.abs(errors) <= 0.1)),
            float(np.sqrt(np.mean(errors**2))),
            float(np.mean(np.abs(errors))),
            float(np.mean([f.covered for f in found])),
        )


@dataclass(frozen=True)
class Fitted:
    """A predictor and what is known of its errors.

    Args:
        predictor: Learned from everything.
        left_out: Every network as predicted without its family; where all are of one, without itself.
    """

    predictor: LatencyPredictor
    left_out: tuple[LeftOut, ...]


def fit_predictor(
    training: TrainingSet,
    environment: Environment,
    *,
    misses: bool = True,
    trees: int = DEFAULT_TREES,
    left_out_with: Callable[[MeasuredNetwork, Collection[str]], bool] = lambda network, families: False,
    told: Callable[[str], None] = lambda text: None,
) -> Fitted:
    """Learn a predictor.

    Args:
        training: Measured networks.
        environment: Theirs.
        misses: Whether modelled cache misses are among the features.
        trees: In each forest.
        left_out_with: Whether a network must not be learned from where these families are left out, although it
            is of none of them.
        told: Called with what is being done.

    Raises:
        UsageError: No kernel has a time.
    """
    networks = training.networks
    times, _ = attributed_times(networks)
    geometries = training.geometries if misses else ()
    groups = grouped_by_family(networks)
    sums: list[Sum | None] = [None] * len(networks)
    kept: list[Sequence[int]] = []
    for number in range(max(groups) + 1):
        told(f"checking on families left out, {number + 1} of {max(groups) + 1}")
        families = {networks[i].family for i, g in enumerate(groups) if g == number}
        others = [i for i, g in enumerate(groups) if g != number and not left_out_with(networks[i], families)]
        kept.append(others or range(len(networks)))
        model = _fit(networks, times, kept[number], geometries, trees)
        for place in (i for i, g in enumerate(groups) if g == number):
            sums[place] = _sum(model, networks[place].kernels)
    complete = [s for s in sums if s is not None]
    left_out = _left_out(networks, complete, groups, kept)
    told("learning from all networks")
    latencies = [n.latency_s for n in networks]
    kernel_model = _fit(networks, times, range(len(networks)), geometries, trees)
    predictor = LatencyPredictor(
        backend=training.backend,
        threads=training.threads,
        environment=environment,
        kernel_model=kernel_model,
        network_model=fit_network_model(complete, latencies, groups, [n.family for n in networks]),
        limits=_limits(networks, times),
        networks=len(networks),
        known=known_networks(networks, kernel_model.free),
    )
    return Fitted(predictor, tuple(left_out))


def fit_unchecked(
    training: TrainingSet, environment: Environment, *, misses: bool = True, trees: int = DEFAULT_TREES
) -> LatencyPredictor:
    """Learn a predictor in a tenth of the time, without knowing how good it is.

    Its intervals are calibrated on networks that it has seen, though without looking their kernels up: they are
    too narrow, and good for comparing networks with each other only.

    Args:
        training: Measured networks.
        environment: Theirs.
        misses: Whether modelled cache misses are among the features.
        trees: In each forest.

    Raises:
        UsageError: No kernel has a time.
    """
    networks = training.networks
    times, _ = attributed_times(networks)
    model = _fit(networks, times, range(len(networks)), training.geometries if misses else (), trees)
    sums = [add_up(model.predict(n.kernels, lookup=False), n.kernels) for n in networks]
    return LatencyPredictor(
        backend=training.backend,
        threads=training.threads,
        environment=environment,
        kernel_model=model,
        network_model=fit_network_model(sums, [n.latency_s for n in networks]),
        limits=_limits(networks, times),
        networks=len(networks),
        known=known_networks(networks, model.free),
    )


def _fit(
    networks: Sequence[MeasuredNetwork],
    times: Sequence[np.ndarray],
    kept: Sequence[int],
    geometries: tuple[str, ...],
    trees: int,
) -> KernelModel:
    kernels = [k for i in kept for k in networks[i].kernels]
    owners = [i for i in kept for _ in networks[i].kernels]
    found = np.concatenate([times[i] for i in kept])
    return fit_kernel_model(kernels, found, geometries, owners=owners, trees=trees)


def _sum(model: KernelModel, kernels: Sequence[KernelFacts]) -> Sum:
    return add_up(model.predict(kernels), kernels)


def _left_out(
    networks: Sequence[MeasuredNetwork],
    sums: Sequence[Sum],
    groups: Sequence[int],
    kept: Sequence[Sequence[int]],
) -> list[LeftOut]:
    """Each network by a calibration without its group.

    Args:
        networks: ``n`` of them.
        sums: Of each, without its group.
        groups: Of each.
        kept: Of each group the places of the networks that are learned from where it is left out.
    """
    found = []
    calibrations: dict[int, NetworkModel] = {}
    for place, (network, total) in enumerate(zip(networks, sums, strict=True)):
        group = groups[place]
        if group not in calibrations:
            others = kept[group]
            calibrations[group] = fit_network_model(
                [sums[i] for i in others],
                [networks[i].latency_s for i in others],
                [groups[i] for i in others],
                [networks[i].family for i in others],
            )
        model = calibrations[group]
        low_s, high_s = model.interval_s(total)
        found.append(
            LeftOut(
                workload=network.workload,
                family=network.family,
                measured_s=network.latency_s,
                predicted_s=model.latency_s(total),
                low_s=low_s,
                high_s=high_s,
                macs=network.macs,
            )
        )
    return found


def grouped_by_family(networks: Sequence[MeasuredNetwork], groups: int = _GROUPS) -> list[int]:
    """Group of each network: whole families, in groups of about equal size.

    Without the only family nothing would be left to learn from: its networks are parted one by one.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, network in enumerate(networks):
        members[network.family].append(place)
    if len(members) == 1:
        return [place % groups for place in range(len(networks))]
    sizes = [0] * min(groups, len(members))
    found = [0] * len(networks)
    for family in sorted(members, key=lambda f: (-len(members[f]), f)):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(members[family])
        for place in members[family]:
            found[place] = smallest
    return found


def _limits(networks: Sequence[MeasuredNetwork], times: Sequence[np.ndarray]) -> Limits:
    macs, moved = [], []
    for network, own in zip(networks, times, strict=True):
        for kernel, time_s in zip(network.kernels, own, strict=True):
            # Shorter ones show what the profiler rounds off.
            if time_s > 1e-5:
                macs.append(kernel.macs / time_s)
                moved.append(kernel.bytes / time_s)
    if not macs:
        return Limits(1.0, 1.0)
    return Limits(max(1.0, float(np.quantile(macs, _BEST))), max(1.0, float(np.quantile(moved, _BEST))))
