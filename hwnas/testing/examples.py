"""Small, complete values for tests."""

from __future__ import annotations

from typing import Any

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.environment import Cache, Environment
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import PROTOCOL_VERSION, Agreement, Block, Measurement, Preparation, Status
from hwnas.core.workload import Workload


def example_environment(cpu_model: str = "Example CPU") -> Environment:
    """An environment; another `cpu_model` gives another fingerprint."""
    return Environment(
        cpu_model=cpu_model,
        architecture="x86_64",
        logical_cpus=4,
        memory_bytes=8 * 2**30,
        caches=(Cache(3, "Unified", 4 * 2**20, 16, 64, 4),),
        instruction_sets=("avx2", "fma"),
        cgroup_cpus=1.5,
        governor="performance",
        versions={"torch": "2.13", "openvino": "2026.4", "protocol": PROTOCOL_VERSION},
    )


def example_workload(depth: int = 10, batch: int = 1) -> Workload:
    """A design pattern."""
    return Workload("pattern", "standard", (batch, 64, 56, 56), {"depth": depth, "width": 64})


def example_measurement(uid: str = "u0", **changes: Any) -> Measurement:
    """A measurement in which every field has a value; `changes` replace fields."""
    canary = {"compute": 0.0011, "copy": 0.0005}
    fields: dict[str, Any] = {
        "uid": uid,
        "group": "g0",
        "workload": example_workload(),
        "backend": "openvino:cpu:fp32",
        "threads": 1,
        "pass_index": 0,
        "status": Status.OK,
        "blocks": (
            Block(0, 0.25, (0.002, 0.0021, 0.0019), canary, canary, 2),
            Block(1, 1.5, (0.0022,), canary, {}, None),
        ),
        "calls_per_sample": 2,
        "stop_reason": "interval",
        "preparation": Preparation(0.1, 0.2, 0.3, 0.004, 0.05, 12, True),
        "peak_memory_bytes": 3 * 2**30,
        "effective": {"threads": 1, "primitives": ["brgconv_avx2", "jit"], "streams": None},
        "agreement": Agreement(True, 1e-6, 1e-4, "torch float64, oneDNN off"),
        "kernels": (
            Kernel(
                0,
                "conv1",
                "Convolution",
                "brgconv_avx2",
                "f32",
                "nhwc",
                ("conv1", "relu1"),
                0.001,
                {"k": [3, 3]},
            ),
            Kernel(1, "conv2", "Convolution", "jit", "f32"),
        ),
        "counters": (
            Counter(LLC_MISSES, 123456.5, "model", "33554432,16,64", 1, 200000.0),
            Counter(LLC_MISSES, None, "pmu", None, 1, None, "cache-misses: perf_event_open fails with ENOENT"),
        ),
        "created_at": "2026-01-02T03:04:05+00:00",
    }
    return Measurement(**{**fields, **changes})
