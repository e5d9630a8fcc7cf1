"""What a predictor learns from: measured networks with their kernels, out of the latency database."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.backends.protocol import computing_device
from hwnas.core.errors import UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import PROTOCOL_VERSION, Status
from hwnas.core.workload import Workload
from hwnas.predicting.families import design_of
from hwnas.predicting.host_speed import (
    Pass,
    log_latency,
    readings,
    shortness,
    slowness,
    steady_latencies,
)
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_listings import times_and_misses, times_in_place, with_known_misses
from hwnas.store import LatencyStore

#: Of fewer networks left out, none stands for the tenth that a 90 % interval may miss.
FEWEST_NETWORKS = 9


@dataclass(frozen=True)
class MeasuredNetwork:
    """One network on one backend.

    Args:
        workload: What ran.
        latency_s: Latency at the canary's reference speed [s].
        low_s: Lower end of its 95 % interval [s].
        high_s: Upper end [s].
        kernels: What ran, in order.
        times_s: Time of each in place, as the runtime's own profiler told it [s]; None where it did not.
        macs: Multiply-adds of one inference, where they were counted.
    """

    workload: Workload
    latency_s: float
    low_s: float
    high_s: float
    kernels: tuple[KernelFacts, ...]
    times_s: tuple[float | None, ...]
    macs: int | None = None

    @property
    def family(self) -> str:
        """Networks that are variants of one design."""
        return family_of(self.workload)


@dataclass(frozen=True)
class TrainingSet:
    """Every measured network of one backend in one environment.

    Args:
        backend: Full id.
        environment: Fingerprint.
        threads: Threads of the backend.
        networks: In the order in which they were added.
    """

    backend: str
    environment: str
    threads: int
    networks: tuple[MeasuredNetwork, ...]

    @property
    def geometries(self) -> tuple[str, ...]:
        """Caches for which most kernels that take time have modelled misses."""
        told: dict[str, int] = defaultdict(int)
        timed = 0
        for network in self.networks:
            for kernel, time_s in zip(network.kernels, network.times_s, strict=True):
                if time_s is not None:
                    timed += 1
                    for geometry in kernel.misses or {}:
                        told[geometry] += 1
        return tuple(sorted(g for g, count in told.items() if count > timed / 2))


def family_of(workload: Workload) -> str:
    """The family that a network is left out with when the predictor is checked.

    A pattern is a family, and so are the variants of one design (:mod:`hwnas.predicting.families`):
    ``resnet18`` and ``resnet50``, but not ``resnext50_32x4d``. Random chains of layers and random
    architectures of a space are drawn one by one: each is a family of its own.
    """
    if workload.kind in ("layers", "space"):
        # Neither batch nor seed makes it another one.
        return f"{workload.kind}:{workload.name}:{workload.params}"
    if workload.kind == "pattern":
        return f"{workload.kind}:{workload.name}"
    if workload.kind == "factory":
        return workload.name
    return design_of(workload.name)


def read_training_set(
    store: LatencyStore, environment: str, backend: str, threads: int, *, fewest: int = FEWEST_NETWORKS
) -> TrainingSet:
    """The networks of a database that have a latency and kernels with times.

    All passes of all campaigns count, and so does every listing of a network's kernels
    (:mod:`hwnas.predicting.kernel_listings`); latencies are each brought to the canary's reference speed; see
    :mod:`hwnas.predicting.host_speed`.

    Args:
        store: Where they are.
        environment: Fingerprint.
        backend: Full id.
        threads: Threads of the backend.
        fewest: Networks that there must be.

    Raises:
        UsageError: There are fewer.
    """
    speeds = _speeds(store, environment, threads)
    passes: dict[str, list[Pass]] = defaultdict(list)
    listed: dict[str, list[tuple[Kernel, ...]]] = defaultdict(list)
    workloads: dict[str, Workload] = {}
    macs: dict[str, int | None] = {}
    for stored in store.measurements(
        environment=environment, backend=backend, threads=threads, status=str(Status.OK)
    ):
        m = stored.measurement
        if m.group not in speeds:
            continue  # stored meanwhile, by a campaign that runs beside this
        passes[m.workload.key].append(Pass(m.workload.key, log_latency(m.blocks), speeds[m.group]))
        macs[m.workload.key] = stored.macs
        if any(k.time_s is not None for k in m.kernels):
            workloads[m.workload.key] = m.workload
            # The newest tells the rest: earlier versions may not have told it.
            found = listed[m.workload.key]
            found[-1:] = map(times_and_misses, found[-1:])
            found.append(m.kernels)
    felt = [p for key, found in listed.items() for p in _with_shortness(passes[key], found[-1])]
    latencies = steady_latencies(felt, computing_device(backend))
    networks = tuple(
        MeasuredNetwork(
            workload=workloads[key],
            latency_s=latencies[key].latency_s,
            low_s=latencies[key].low_s,
            high_s=latencies[key].high_s,
            kernels=tuple(map(KernelFacts.of, with_known_misses(found))),
            times_s=times_in_place(found),
            macs=macs[key],
        )
        for key, found in listed.items()
    )
    if len(networks) < fewest:
        raise UsageError(
            f"{store.location} has {len(networks)} networks with kernel times of {backend} at {threads} "
            f"thread(s) in this environment, and a predictor needs {fewest}",
            f"Measure more first: hwnas measure, or hwnas fit --measure 30m, with --threads {threads}",
        )
    return TrainingSet(backend, environment, threads, networks)


def _with_shortness(passes: Sequence[Pass], listed: Sequence[Kernel]) -> list[Pass]:
    latency_s = math.exp(sum(p.log_latency for p in passes) / len(passes))
    short = shortness(latency_s, sum(k.time_s is not None for k in listed))
    return [p._replace(short=short) for p in passes]


def _speeds(store: LatencyStore, environment: str, threads: int) -> dict[str, float]:
    """Group of interleaved arms -> how slow the host was while they ran."""
    reference = store.canary_reference(environment, PROTOCOL_VERSION)
    found: dict[str, list[list[float]]] = defaultdict(list)
    for stored in store.measurements(
        environment=environment, threads=threads, status=str(Status.OK), with_kernels=False
    ):
        m = stored.measurement
        found[m.group].append(readings(m.blocks, reference or {}))
    return {group: slowness(arms) for group, arms in found.items()}
