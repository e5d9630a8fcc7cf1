"""Networks of a made-up runtime whose kernels' times follow a known law."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet

MACS_PER_S, BYTES_PER_S, START_S = 2e10, 5e9, 3e-6


def convolution(channels: int, out: int, size: int, window: int = 3, groups: int = 1) -> Kernel:
    """A convolution with stride 1 as OpenVINO would list it."""
    weights = (
        [groups, out // groups, channels // groups, window, window]
        if groups > 1
        else [out, channels, window, window]
    )
    return Kernel(
        position=0,
        name="conv",
        type="Convolution",
        implementation="brgconv_avx512_f32",
        precision="f32",
        layout="acdb",
        fused=("conv", "relu"),
        attributes={
            "input_shapes": [[1, channels, size, size], weights, [out]],
            "output_shapes": [[1, out, size, size]],
            "stride": [1, 1],
            "padding": [window // 2, window // 2],
            "dilation": [1, 1],
            "groups": groups,
        },
    )


def pooling(channels: int, size: int) -> Kernel:
    """A global pooling."""
    return Kernel(
        position=1,
        name="pool",
        type="Reduce",
        implementation="jit_avx512_f32",
        precision="f32",
        attributes={"input_shapes": [[1, channels, size, size], [2]], "output_shapes": [[1, channels, 1, 1]]},
    )


def view() -> Kernel:
    """Something that takes no time."""
    return Kernel(
        2,
        "view",
        "Reshape",
        "unknown_f32",
        "f32",
        attributes={"input_shapes": [[1, 8, 1, 1], [2]], "output_shapes": [[1, 8]]},
    )


def interpolation(channels: int, size: int) -> Kernel:
    """An operator of no kind."""
    shapes = {"input_shapes": [[1, channels, size, size]], "output_shapes": [[1, channels, size, size]]}
    return Kernel(3, "up", "Interpolate", "jit_avx512_f32", "f32", attributes=shapes)


def law_s(facts: KernelFacts) -> float:
    """The law of what takes time [s]."""
    return facts.macs / MACS_PER_S + facts.bytes / BYTES_PER_S + START_S


def true_time_s(kernel: Kernel) -> float:
    """What a kernel takes [s]; a view takes none."""
    facts = KernelFacts.of(kernel)
    return 0.0 if facts.type == "Reshape" else law_s(facts)


def by_law(training: TrainingSet) -> TrainingSet:
    """Measured networks, whose kernels' times are those of the law instead: no host's noise changes them."""
    networks = []
    for one in training.networks:
        times_s = tuple(t and law_s(k) for k, t in zip(one.kernels, one.times_s, strict=True))
        latency_s = sum(t for t in times_s if t)
        ends = {"low_s": 0.99 * latency_s, "high_s": 1.01 * latency_s}
        networks.append(replace(one, times_s=times_s, latency_s=latency_s, **ends))
    return replace(training, networks=tuple(networks))


def network(name: str, seed: int, *, factor: float = 1.0, noise: float = 0.0) -> MeasuredNetwork:
    """A chain of convolutions with a pooling and a view behind them.

    Args:
        name: Its family, and its number behind it.
        seed: Of its shapes.
        factor: Of all profiled times, as if the host had been slower while they were taken.
        noise: Relative standard deviation of each profiled time.
    """
    rng = np.random.default_rng(seed)
    width = int(rng.integers(2, 40)) * 8
    kernels = []
    for _ in range(int(rng.integers(3, 9))):
        out = int(rng.integers(2, 40)) * 8
        kernels.append(convolution(width, out, int(rng.choice([7, 14, 28, 56])), int(rng.choice([1, 3]))))
        width = out
    kernels += [interpolation(width, 14), pooling(width, 7), view()]
    true = [true_time_s(k) for k in kernels]
    seen = [t * factor * math.exp(rng.normal(0.0, noise)) or None for t in true]
    return MeasuredNetwork(
        workload=Workload("torchvision", f"{name}{seed}", (1, 3, 56, 56)),
        latency_s=sum(true),
        low_s=sum(true) * 0.99,
        high_s=sum(true) * 1.01,
        kernels=tuple(KernelFacts.of(k) for k in kernels),
        times_s=tuple(seen),
    )


def training_set(families: int = 8, members: int = 6, **options: float) -> TrainingSet:
    """Some families of networks."""
    names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"][:families]
    networks = tuple(
        network(name, 100 * place + number, **options)
        for place, name in enumerate(names)
        for number in range(members)
    )
    return TrainingSet("openvino:cpu:fp32", "0123456789ab", 1, networks)
