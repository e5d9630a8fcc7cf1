"""Ten minutes of the same networks: how much do raw and drift-corrected medians vary?"""

from __future__ import annotations

import time
import uuid
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from reporting import exclusive, run, variation

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.measurement import Block, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.host.cpus import measuring_cpus
from hwnas.host.machine import probe_environment
from hwnas.measuring.arm import WorkerArm
from hwnas.measuring.crew import Crew
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import estimate
from hwnas.measuring.worker_client import WorkerClient, scratch_folder
from hwnas.store import LatencyStore
from hwnas.workloads.models import parse_model

ARMS = [(b, n) for n in ("mobilenet_v2", "resnet18") for b in ("openvino:cpu:fp32", "torch:cpu:fp32")]


def main(options: Namespace) -> dict[str, Any]:
    settings = Settings()
    windows: dict[str, list[Measurement]] = {f"{b} {n}": [] for b, n in ARMS}
    with exclusive("drift"), scratch_folder() as scratch:
        with Crew(1, settings.cell_timeout_s) as crew:
            for network in dict.fromkeys(n for _, n in ARMS):
                crew.ensure_reference(_workload(network), b"", Path(scratch), settings.cell_timeout_s)
        arms = []
        for backend_id, network in ARMS:
            environment = backend(backend_id).environment(1)
            worker = WorkerClient(backend_id, BACKENDS.target(backend_id), 1, environment, measuring_cpus(1))
            arm = WorkerArm(worker, settings, None)
            workload = _workload(network)
            arm.prepare(workload, b"", scratch)
            arms.append((f"{backend_id} {network}", backend_id, workload, arm, worker))
        start = time.monotonic()
        while time.monotonic() - start < options.minutes * 60:
            for name, backend_id, workload, arm, _ in arms:
                blocks = arm.turn(options.window, settings.block_s)
                windows[name].append(_window(backend_id, workload, blocks))
            print(f"{time.monotonic() - start:.0f} s of {options.minutes * 60} s", flush=True)
        for *_, worker in arms:
            worker.close()
    with LatencyStore.open(options.keep) as store:
        environment = probe_environment()
        for measurement in (m for measured in windows.values() for m in measured):
            store.add(measurement, environment)
    reference = _median_canary(windows)
    rows = {}
    for name, measured in windows.items():
        found = [estimate([m], reference) for m in measured]
        raw, corrected = variation([e.raw_median_s for e in found]), variation([e.latency_s for e in found])
        rows[name] = {
            "windows": len(found),
            "raw_cv_percent": round(raw, 2),
            "corrected_cv_percent": round(corrected, 2),
            "ratio": round(corrected / raw, 3),
            "median_ms": round(1e3 * float(np.median([e.raw_median_s for e in found])), 3),
        }
        print(name, rows[name], flush=True)
    ratio = float(np.median([r["ratio"] for r in rows.values()]))
    return {"arms": rows, "median_ratio": ratio, "passed": all(r["ratio"] <= 0.25 for r in rows.values())}


def _workload(network: str) -> Workload:
    return parse_model(f"torchvision:{network}", input_shape=None, batch=None)


def _window(backend_id: str, workload: Workload, blocks: list[Block]) -> Measurement:
    # Half a second is one round: what a bootstrap may take for independent.
    rounds = [replace(b, round=int((b.start_s - blocks[0].start_s) / 0.5)) for b in blocks]
    uid = str(uuid.uuid4())
    return Measurement(uid, uid, workload, backend_id, 1, 0, Status.OK, blocks=tuple(rounds))


def _median_canary(windows: dict[str, list[Measurement]]) -> dict[str, float]:
    readings = [b.canary_before_s for found in windows.values() for m in found for b in m.blocks]
    return {k: float(np.median([r[k] for r in readings])) for k in readings[0]}


if __name__ == "__main__":
    run(
        main,
        ("--minutes", {"type": float, "default": 10.0}),
        ("--window", {"type": float, "default": 5.0}),
        ("--keep", {"metavar": "DB", "default": "sqlite://", "help": "keep the samples in this database"}),
    )
