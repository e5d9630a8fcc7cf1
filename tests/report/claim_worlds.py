"""Two made-up hosts: one on which the study is right in everything, and one on which it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from claim_cases import HOST_CACHE, PAPER_CACHE, PMU, Case, Counts
from report_lab import GPU, OPENVINO, TORCH

from hwnas.report.claims.network_claims import NETWORKS
from hwnas.workloads.catalogue import find_network
from hwnas.workloads.patterns import PATTERNS, pattern_workload

FORCED, OLD, HALF = "torch-mkldnn:cpu:fp32", "torch-slow-dilated:cpu:fp32", "openvino:cpu:fp16"
DEPTHS, WIDTHS, BATCHES = (10, 30, 50), (32, 128, 512), (1, 32)
#: Two claims that contradict each other.
EITHER = {"depthwise-bottleneck-most", "depthwise-separable-most"}


@dataclass(frozen=True)
class World:
    """Numbers of a host.

    Args:
        speedup: Pattern -> speedup at depth 50 and batch 1.
        depth_exponent: Of the speedup over depth.
        native: Pattern -> native latency of ten blocks and one image, in ms.
        native_growth: Time of an image at batch 32 over that at batch 1, natively; and accelerated.
        gpu: Speedup of the GPU over the accelerated CPU, over depth.
        half: Speedup of 16 bits over 32 on the accelerated CPU.
        width_exponents: Pattern -> k of latency over width.
        middle: What the middle width takes more than its neighbours tell.
        narrow: Accelerated latency at the least width, in ms.
        width_speedup: Pattern -> speedup at every width.
        gpu_over_width: Speedup of the GPU over the accelerated CPU at the greatest width for standard
            convolution, its k over width, and the speedup for all others.
        misses: Pattern -> native over accelerated misses over depth.
        misses_over_width: The same over width, for all patterns.
        gpu_misses: The GPU's misses over the accelerated CPU's.
        networks: Network -> accelerated latency in ms and speedup.
        darts_over: Speedup of DARTS over the arms with oneDNN forced and as it once was.
    """

    speedup: Mapping[str, float]
    depth_exponent: float
    native: Mapping[str, float]
    native_growth: tuple[float, float]
    gpu: float
    half: float
    width_exponents: Mapping[str, float]
    middle: float
    narrow: Mapping[str, float]
    width_speedup: Mapping[str, float]
    gpu_over_width: tuple[float, float, float]
    misses: Mapping[str, float]
    misses_over_width: float
    gpu_misses: float
    networks: Mapping[str, tuple[float, float]]
    darts_over: tuple[float, float]

    @property
    def cases(self) -> list[Case]:
        """Everything that is measured."""
        return [*self.over_depth(), *self.over_width(), *self.real()]

    def over_depth(self) -> Iterator[Case]:
        for pattern in PATTERNS:
            for depth in DEPTHS:
                for batch in BATCHES:
                    growth, fast_growth = self.native_growth if batch > 1 else (1.0, 1.0)
                    native = 1e-3 * self.native[pattern] * depth / 10
                    speedup = self.speedup[pattern] * (depth / 50) ** self.depth_exponent
                    fast = native / speedup * batch * fast_growth
                    times = {TORCH: native * batch * growth, OPENVINO: fast}
                    times |= {GPU: fast / self.gpu, HALF: fast / self.half}
                    workload = pattern_workload(pattern, depth=depth, width=64, batch=batch, resolution=56)
                    yield Case(workload, times, self._counts(self.misses[pattern]))

    def over_width(self) -> Iterator[Case]:
        standard, growth, others = self.gpu_over_width
        for pattern in PATTERNS:
            for width in WIDTHS:
                fast = 1e-3 * self.narrow[pattern] * (width / WIDTHS[0]) ** self.width_exponents[pattern]
                fast *= self.middle if width == WIDTHS[1] else 1.0
                gpu = standard * (width / WIDTHS[-1]) ** growth if pattern == "standard" else others
                times = {TORCH: fast * self.width_speedup[pattern], OPENVINO: fast, GPU: fast / gpu}
                workload = pattern_workload(pattern, depth=10, width=width, resolution=28)
                yield Case(workload, times, self._counts(self.misses_over_width))

    def real(self) -> Iterator[Case]:
        for name, (fast_ms, speedup) in self.networks.items():
            fast = 1e-3 * fast_ms
            times = {TORCH: fast * speedup, OPENVINO: fast}
            if name == "darts":
                times |= {FORCED: fast * self.darts_over[0], OLD: fast * self.darts_over[1]}
            yield Case(find_network(name).workload(), times)

    def _counts(self, ratio: float) -> Counts:
        own = 1e6
        return {
            TORCH: {PAPER_CACHE: own * ratio, HOST_CACHE: 0.0},
            OPENVINO: {PAPER_CACHE: own, HOST_CACHE: 0.0, PMU: own},
            GPU: {PMU: own * self.gpu_misses},
        }


def _each(standard: float, factorized: float, bottleneck: float, *rest: float) -> dict[str, float]:
    return dict(zip(PATTERNS, (standard, factorized, bottleneck, *rest), strict=True))


RIGHT = World(
    speedup=_each(2.2, 2.5, 2.4, 5.0, 5.5, 3.0),
    depth_exponent=0.05,
    native=_each(1.0, 1.1, 1.2, 3.0, 2.5, 2.0),
    native_growth=(1.67, 1.05),
    gpu=1.5,
    half=0.95,
    width_exponents=_each(1.9, 1.8, 2.1, 1.1, 1.0, 1.1),
    middle=1.0,
    narrow=_each(1.0, 1.1, 1.6, 1.3, 1.2, 1.1),
    width_speedup=_each(1.1, 2.0, 2.0, 4.0, 4.5, 3.0),
    gpu_over_width=(3.0, 0.3, 1.0),
    misses=_each(2.0, 3.0, 3.0, 9.0, 10.0, 4.0),
    misses_over_width=1.5,
    gpu_misses=1.5,
    networks=dict.fromkeys(NETWORKS, (20.0, 2.5))
    | dict.fromkeys(("resnet18", "resnet34"), (20.0, 2.2))
    | dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d"), (20.0, 3.0))
    | {"mobilenet_v2": (2.4, 7.0), "darts": (15.0, 12.0)},
    darts_over=(5.0, 12.0),
)

WRONG = World(
    speedup=_each(0.7, 0.8, 0.8, 0.8, 0.6, 0.9),
    depth_exponent=-0.2,
    native=_each(8.0, 6.0, 4.0, 1.5, 1.0, 1.2),
    native_growth=(0.8, 2.0),
    gpu=0.5,
    half=1.5,
    width_exponents=_each(1.0, 1.0, 0.9, 1.9, 1.9, 1.9),
    middle=100.0,
    narrow=_each(4.0, 1.0, 1.0, 1.0, 0.1, 1.0),
    width_speedup=_each(1.5, 0.9, 0.9, 0.9, 0.9, 0.9),
    gpu_over_width=(0.5, -0.3, 3.0),
    misses=_each(3.0, 0.9, 0.9, 0.9, 0.5, 0.9),
    misses_over_width=0.8,
    gpu_misses=0.5,
    networks=dict.fromkeys(NETWORKS, (5.0, 1.5)) | {"mobilenet_v2": (30.0, 1.9), "darts": (15.0, 1.1)},
    darts_over=(1.2, 1.3),
)
