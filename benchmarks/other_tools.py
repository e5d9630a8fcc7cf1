"""OpenVINO's benchmark_app and torch.utils.benchmark.Timer, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from hwnas.core.workload import Workload
from hwnas.host.allocator import STEADY_HEAP

# benchmark_app as its authors ship it; its telemetry package is kept out, as everywhere here.
_APP = (
    "import sys; sys.modules['openvino_telemetry'] = None\n"
    "from openvino.tools.benchmark.main import main; main()"
)

_TIMER = """
import json, sys, torch
from torch.utils.benchmark import Timer
from hwnas.core.workload import Workload
from hwnas.workloads.build import build
torch.set_num_threads(1)
built = build(Workload.from_dict(json.loads(sys.argv[1])))
with torch.inference_mode():
    timer = Timer("module(x)", globals={"module": built.module, "x": built.inputs[0]}, num_threads=1)
    print(json.dumps(timer.blocked_autorange(min_run_time=float(sys.argv[2])).median))
"""


def save_ir(workload: Workload, folder: Path) -> Path:
    """Convert a workload for benchmark_app; FP32, static shape."""
    code = (
        "import json, sys, torch\n"
        "from hwnas.backends.openvino_runtime import import_openvino\n"
        "from hwnas.core.workload import Workload\n"
        "from hwnas.workloads.build import build\n"
        "ov = import_openvino()\n"
        "built = build(Workload.from_dict(json.loads(sys.argv[1])))\n"
        "model = ov.convert_model(torch.export.export(built.module, built.inputs, strict=False))\n"
        "model.reshape(list(built.inputs[0].shape))\n"
        "ov.save_model(model, sys.argv[2], compress_to_fp16=False)\n"
    )
    path = folder / f"{workload.key}.xml"
    subprocess.run([sys.executable, "-c", code, json.dumps(workload.to_dict()), str(path)], check=True)
    return path


def benchmark_app_s(model: Path, seconds: float) -> float:
    """Median latency [s] that benchmark_app prints for one synchronous thread at FP32."""
    # The hint and -nthreads exclude each other on its command line; its configuration file takes both.
    config = model.with_suffix(".json")
    config.write_text(json.dumps({"CPU": {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}}))
    arguments = ["-m", str(model), "-d", "CPU", "-hint", "latency", "-api", "sync"]
    arguments += ["-load_config", str(config), "-t", str(max(1, round(seconds)))]
    found = subprocess.run(
        [sys.executable, "-c", _APP, *arguments], capture_output=True, text=True, cwd=model.parent
    )
    match = re.search(r"Median:\s+([\d.]+) ms", found.stdout)
    if not match:
        raise SystemExit(f"benchmark_app gave no median: {found.stdout[-500:]} {found.stderr[-500:]}")
    return float(match[1]) * 1e-3


def torch_timer_s(workload: Workload, seconds: float, *, steady_heap: bool = False) -> float:
    """Median latency [s] of `Timer.blocked_autorange` on one thread.

    Args:
        workload: What to time.
        seconds: For how long.
        steady_heap: With the heap settings of hwnas's workers, under which freed memory stays in the process.
    """
    command = [sys.executable, "-c", _TIMER, json.dumps(workload.to_dict()), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(STEADY_HEAP if steady_heap else {})}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(json.loads(found.stdout.splitlines()[-1]))
