"""Median latencies of hwnas against benchmark_app and torch's Timer, the tools taking turns."""

from __future__ import annotations

import statistics
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from other_tools import benchmark_app_s, save_ir, torch_timer_s
from reporting import exclusive, run

import hwnas
from hwnas.backends.registry import BACKENDS
from hwnas.core.workload import Workload
from hwnas.measuring.settings import Settings
from hwnas.workloads.models import parse_model

NETWORKS = ["mobilenet_v2", "resnet18", "shufflenet_v2_x1_0", "squeezenet1_1", "efficientnet_b0", "googlenet"]
BENCHMARK_APP, TIMER, STEADY_TIMER = "benchmark_app", "Timer", "Timer with our heap settings"
OPENVINO, TORCH, DEFAULT_HEAP = "openvino:cpu:fp32", "torch:cpu:fp32", "torch-default-heap:cpu:fp32"
#: In the order of a round, so that what is compared runs close together.
ROUND = [BENCHMARK_APP, OPENVINO, DEFAULT_HEAP, TIMER, TORCH, STEADY_TIMER]
PAIRS = [(OPENVINO, BENCHMARK_APP), (TORCH, TIMER), (TORCH, STEADY_TIMER), (DEFAULT_HEAP, TIMER)]
#: The tools as they come against the backends that are measured by default.
BAR = PAIRS[:2]


def main(options: Namespace) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for network in options.networks:
        workload = parse_model(f"torchvision:{network}", input_shape=None, batch=None)
        found_s: dict[str, list[float]] = {name: [] for name in ROUND}
        with tempfile.TemporaryDirectory() as folder:
            model = save_ir(workload, Path(folder))
            for _ in range(options.rounds):
                for name in ROUND:
                    take = _ours_s if name in BACKENDS.names() else _theirs_s
                    found_s[name].append(take(name, workload, model, options.seconds))
        for backend_id, tool in PAIRS:
            # Neighbours in time: what the host did to one it mostly did to the other.
            ratios = sorted(a / b for a, b in zip(found_s[backend_id], found_s[tool], strict=True))
            rows.append(
                {
                    "network": network,
                    "backend": backend_id,
                    "tool": tool,
                    "tool_ms": round(1e3 * statistics.median(found_s[tool]), 3),
                    "hwnas_ms": round(1e3 * statistics.median(found_s[backend_id]), 3),
                    "difference_percent": round(100 * (statistics.median(ratios) - 1), 2),
                    "range_percent": [round(100 * (r - 1), 1) for r in (ratios[0], ratios[-1])],
                }
            )
            print(*rows[-1].values(), flush=True)
    worst = {
        f"{backend_id} against {tool}": max(
            abs(r["difference_percent"]) for r in rows if (r["backend"], r["tool"]) == (backend_id, tool)
        )
        for backend_id, tool in PAIRS
    }
    passed = all(worst[f"{backend_id} against {tool}"] <= 5.0 for backend_id, tool in BAR)
    return {"networks": rows, "largest_difference_percent": worst, "passed": passed}


def _theirs_s(tool: str, workload: Workload, model: Path, seconds: float) -> float:
    with exclusive("agreement"):
        if tool == BENCHMARK_APP:
            return benchmark_app_s(model, seconds)
        return torch_timer_s(workload, seconds, steady_heap=tool == STEADY_TIMER)


def _ours_s(backend_id: str, workload: Workload, model: Path, seconds: float) -> float:
    """The raw median of one pass of one arm, alone as the other tools run."""
    settings = Settings(passes=1, max_passes=1, budget_s=seconds, target_half_width=1e-9)
    found = hwnas.measure(workload, backends=[backend_id], settings=settings, cache_misses="off")[backend_id]
    if found.estimate is None:
        raise SystemExit(f"{workload.label} on {backend_id}: {found.reason}")
    return found.estimate.raw_median_s


if __name__ == "__main__":
    run(
        main,
        ("--rounds", {"type": int, "default": 7}),
        ("--seconds", {"type": float, "default": 2.0}),
        ("--networks", {"nargs": "+", "default": NETWORKS}),
    )
