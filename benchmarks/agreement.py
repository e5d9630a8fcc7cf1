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
from hwnas.core.workload import Workload
from hwnas.measuring.settings import Settings
from hwnas.workloads.models import parse_model

NETWORKS = ["mobilenet_v2", "resnet18", "shufflenet_v2_x1_0", "squeezenet1_1", "efficientnet_b0", "googlenet"]
TOOLS = {"openvino:cpu:fp32": ("benchmark_app",), "torch:cpu:fp32": ("Timer", "Timer with our heap settings")}


def main(options: Namespace) -> dict[str, Any]:
    settings = Settings(passes=1, max_passes=1, budget_s=options.seconds, target_half_width=1e-9)
    rows: list[dict[str, Any]] = []
    for network in options.networks:
        workload = parse_model(f"torchvision:{network}", input_shape=None, batch=None)
        theirs: dict[str, list[float]] = {tool: [] for tools in TOOLS.values() for tool in tools}
        ours: dict[str, list[float]] = {b: [] for b in TOOLS}
        with tempfile.TemporaryDirectory() as folder:
            model = save_ir(workload, Path(folder))
            for _ in range(options.rounds):
                # One arm at a time, as the other tools run it.
                for backend_id, tools in TOOLS.items():
                    with exclusive("agreement"):
                        for tool in tools:
                            theirs[tool].append(_tool_s(tool, workload, model, options.seconds))
                    found = hwnas.measure(
                        workload, backends=[backend_id], settings=settings, cache_misses="off"
                    )[backend_id]
                    if found.estimate is None:
                        raise SystemExit(f"{network} on {backend_id}: {found.reason}")
                    ours[backend_id].append(found.estimate.raw_median_s)
        for backend_id, tools in TOOLS.items():
            for tool in tools:
                # Neighbours in time: what the host did to one it mostly did to the other.
                ratios = sorted(a / b for a, b in zip(ours[backend_id], theirs[tool], strict=True))
                rows.append(
                    {
                        "network": network,
                        "backend": backend_id,
                        "tool": tool,
                        "tool_ms": round(1e3 * statistics.median(theirs[tool]), 3),
                        "hwnas_ms": round(1e3 * statistics.median(ours[backend_id]), 3),
                        "difference_percent": round(100 * (statistics.median(ratios) - 1), 2),
                        "range_percent": [round(100 * (r - 1), 1) for r in (ratios[0], ratios[-1])],
                    }
                )
                print(*rows[-1].values(), flush=True)
    worst = {
        tool: max(abs(r["difference_percent"]) for r in rows if r["tool"] == tool)
        for tools in TOOLS.values()
        for tool in tools
    }
    # The bar is the tools as they come.
    passed = worst["benchmark_app"] <= 5.0 and worst["Timer"] <= 5.0
    return {"networks": rows, "largest_difference_percent": worst, "passed": passed}


def _tool_s(tool: str, workload: Workload, model: Path, seconds: float) -> float:
    if tool == "benchmark_app":
        return benchmark_app_s(model, seconds)
    return torch_timer_s(workload, seconds, steady_heap=tool != "Timer")


if __name__ == "__main__":
    run(
        main,
        ("--rounds", {"type": int, "default": 7}),
        ("--seconds", {"type": float, "default": 2.0}),
        ("--networks", {"nargs": "+", "default": NETWORKS}),
    )
