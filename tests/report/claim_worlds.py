"""Two made-up hosts: one on which the study is right in everything, and one on which it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from report_lab import GPU, OPENVINO, TORCH, Lab

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.workload import Workload
from hwnas.report.claims.network_claims import NETWORKS
from hwnas.workloads.catalogue import find_network
from hwnas.workloads.patterns import PATTERNS, pattern_workload

FORCED, OLD = "torch-mkldnn:cpu:fp32", "torch-slow-dilated:cpu:fp32"
DEPTHS, WIDTHS, BATCHES = (10, 30, 50), (32, 128, 512), (1, 32)
PAPER_CACHE = "4194304,16,64"
_STEEP = ("standard", "factorized", "bottleneck")


@dataclass(frozen=True)
class World:
    """Numbers of a host.

    Args:
        speedup: Pattern -> speedup at depth 50 and batch 1.
        depth_exponent: Of the speedup over depth.
        native: Pattern -> native latency of ten blocks and one image, in ms.
        native_growth: Time of an image at batch 32 over that at batch 1, natively; and accelerated.
        gpu: Speedup of the GPU over the accelerated CPU.
        width_exponents: Of accelerated latency over width, for the steep patterns and the others.
        narrow: Accelerated latency at the least width, in ms.
        width_speedup: Pattern -> speedup at every width.
        misses: Pattern -> native over accelerated misses over depth.
        misses_over_width: The same over width, for all patterns.
        networks: Network -> accelerated latency in ms and speedup.
        darts_over: Speedup of DARTS over the arms with oneDNN forced and as it once was.
    """

    speedup: Mapping[str, float]
    depth_exponent: float
    native: Mapping[str, float]
    native_growth: tuple[float, float]
    gpu: float
    width_exponents: tuple[float, float]
    narrow: Mapping[str, float]
    width_speedup: Mapping[str, float]
    misses: Mapping[str, float]
    misses_over_width: float
    networks: Mapping[str, tuple[float, float]]
    darts_over: tuple[float, float]

    def fill(self, lab: Lab) -> None:
        """Measure everything."""
        lab.set_reference()
        record = lab.store.campaign("study", {}, lab.environment)
        for workload, latencies, ratio in (*self._over_depth(), *self._over_width(), *self._real()):
            for pass_index in range(2):
                found = lab.host.group(workload, latencies, pass_index=pass_index, rounds=8)
                lab.add([replace(m, counters=_counters(m.backend, ratio)) for m in found], record.uid)

    def _over_depth(self) -> Iterator[tuple[Workload, dict[str, float], float]]:
        for pattern in PATTERNS:
            for depth in DEPTHS:
                for batch in BATCHES:
                    growth, fast_growth = self.native_growth if batch > 1 else (1.0, 1.0)
                    native = 1e-3 * self.native[pattern] * depth / 10
                    speedup = self.speedup[pattern] * (depth / 50) ** self.depth_exponent
                    fast = native / speedup * batch * fast_growth
                    workload = pattern_workload(pattern, depth=depth, width=64, batch=batch, resolution=56)
                    times = {TORCH: native * batch * growth, OPENVINO: fast, GPU: fast / self.gpu}
                    yield workload, times, self.misses[pattern]

    def _over_width(self) -> Iterator[tuple[Workload, dict[str, float], float]]:
        for pattern in PATTERNS:
            exponent = self.width_exponents[pattern not in _STEEP]
            for width in WIDTHS:
                fast = 1e-3 * self.narrow[pattern] * (width / WIDTHS[0]) ** exponent
                times = {TORCH: fast * self.width_speedup[pattern], OPENVINO: fast}
                workload = pattern_workload(pattern, depth=10, width=width, resolution=28)
                yield workload, times, self.misses_over_width

    def _real(self) -> Iterator[tuple[Workload, dict[str, float], float]]:
        for name, (fast_ms, speedup) in self.networks.items():
            fast = 1e-3 * fast_ms
            times = {TORCH: fast * speedup, OPENVINO: fast}
            if name == "darts":
                times |= {FORCED: fast * self.darts_over[0], OLD: fast * self.darts_over[1]}
            yield find_network(name).workload(), times, 1.0


def _counters(backend: str, ratio: float) -> tuple[Counter, ...]:
    if backend == GPU:
        return ()
    count = 1e6 * (ratio if backend == TORCH else 1.0)
    return (
        Counter(LLC_MISSES, count, "model", PAPER_CACHE, 1),
        Counter(LLC_MISSES, 0.0, "model", "33554432,16,64", 1),
    )


def _each(standard: float, factorized: float, bottleneck: float, *rest: float) -> dict[str, float]:
    return dict(zip(PATTERNS, (standard, factorized, bottleneck, *rest), strict=True))


RIGHT = World(
    speedup=_each(2.2, 2.5, 2.4, 4.6, 5.5, 3.0),
    depth_exponent=0.05,
    native=_each(1.0, 1.1, 1.2, 3.0, 2.5, 2.0),
    native_growth=(1.67, 1.05),
    gpu=1.5,
    width_exponents=(1.9, 1.1),
    narrow=_each(1.0, 1.1, 1.6, 1.3, 1.2, 1.1),
    width_speedup=_each(1.1, 2.0, 2.0, 3.0, 3.0, 3.0),
    misses=_each(2.0, 3.0, 3.0, 8.0, 10.0, 4.0),
    misses_over_width=1.5,
    networks=dict.fromkeys(NETWORKS, (20.0, 2.5)) | {"mobilenet_v2": (2.4, 7.0), "darts": (15.0, 12.0)},
    darts_over=(5.0, 12.0),
)

WRONG = World(
    speedup=_each(0.7, 0.8, 0.8, 0.8, 0.6, 0.9),
    depth_exponent=-0.2,
    native=_each(8.0, 6.0, 4.0, 1.5, 1.0, 1.2),
    native_growth=(0.8, 2.0),
    gpu=0.5,
    width_exponents=(1.0, 1.9),
    narrow=_each(4.0, 1.0, 1.0, 1.0, 0.1, 1.0),
    width_speedup=_each(1.5, 0.9, 0.9, 0.9, 0.9, 0.9),
    misses=_each(3.0, 0.9, 0.9, 0.9, 0.5, 0.9),
    misses_over_width=4.0,
    networks=dict.fromkeys(NETWORKS, (5.0, 1.5)) | {"mobilenet_v2": (30.0, 1.2), "darts": (15.0, 1.1)},
    darts_over=(1.2, 1.3),
)
