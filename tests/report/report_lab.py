"""A database, and a machine with known latencies that fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hwnas.core.environment import Environment
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import PROTOCOL_VERSION, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection, select_cells
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment
from hwnas.testing.synthetic import CANARY_REFERENCE, SyntheticHost
from hwnas.workloads.patterns import PatternStack, pattern_workload

TORCH, OPENVINO, GPU = "torch:cpu:fp32", "openvino:cpu:fp32", "openvino:gpu:fp16"
NO_GPU = (Status.SKIPPED, "no GPU was found. Install its driver")
Outcomes = Mapping[str, float | tuple[Status, str]]


class Lab:
    """Measures on a made-up machine."""

    def __init__(self, store: LatencyStore) -> None:
        self.store = store
        self.environment = example_environment()
        self.host = SyntheticHost(1)

    def set_reference(self, values: Mapping[str, float] = CANARY_REFERENCE) -> None:
        self.store.set_canary_reference(self.environment, PROTOCOL_VERSION, values)

    def campaign(
        self,
        cells: Mapping[Workload, Outcomes],
        name: str = "quick",
        *,
        passes: int = 2,
        fresh: bool = False,
        environment: Environment | None = None,
        threads: int = 1,
        kernels: Mapping[str, tuple[Kernel, ...]] | None = None,
    ) -> str:
        """Measure everything and return the campaign's uid; `kernels` by backend."""
        environment = environment or self.environment
        record = self.store.campaign(name, {"name": name}, environment, fresh=fresh)
        for pass_index in range(passes):
            for workload, outcomes in cells.items():
                found = self.host.group(workload, outcomes, pass_index=pass_index, threads=threads, rounds=12)
                found = [replace(m, kernels=(kernels or {}).get(m.backend, ())) for m in found]
                self.add(found, record.uid, environment)
        return record.uid

    def add(
        self, measurements: list[Measurement], campaign_uid: str | None, environment: Environment | None = None
    ) -> None:
        with self.store.writing() as writer:
            for m in measurements:
                stack = PatternStack.of(m.workload) if m.workload.kind == "pattern" else None
                writer.measurement(
                    m,
                    environment or self.environment,
                    campaign_uid=campaign_uid,
                    macs=stack.macs if stack else None,
                    parameters=stack.parameters if stack else None,
                )

    def select(self, **options: object) -> Selection:
        return select_cells(self.store, self.environment.fingerprint, **options)


def stack(depth: int = 10, batch: int = 1) -> Workload:
    """A design pattern."""
    return pattern_workload("standard", depth=depth, width=64, batch=batch)


def truth(workload: Workload) -> dict[str, float]:
    """Latencies [s] that depend on everything a workload has."""
    macs = PatternStack.of(workload).macs
    return {TORCH: 2e-4 * int(workload.params["depth"]) + macs / 10e9, OPENVINO: 1e-4 + macs / 30e9}


def other_environment() -> Environment:
    return replace(example_environment(), cpu_model="Another CPU")
