"""How long does the model of cache misses take for ResNet-50, once its kernel list is known?"""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from typing import Any

from cache_cells import GEOMETRIES, RUNTIMES
from reporting import exclusive, run

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.cache_misses.model import modelled_misses
from hwnas.workloads.build import build
from hwnas.workloads.models import parse_model


def main(options: Namespace) -> dict[str, Any]:
    built = build(parse_model("torchvision:resnet50", input_shape=None, batch=None))
    rows = {}
    with exclusive("cache_speed"):
        for backend_id in RUNTIMES:
            flow = backend(backend_id).compile(Program(built.inputs, built.module), 1).dataflow()
            assert flow is not None
            for cache, geometry in GEOMETRIES.items():
                times = []
                for _ in range(options.repeats):
                    start = time.perf_counter()
                    found = modelled_misses(flow, geometry)
                    times.append(time.perf_counter() - start)
                rows[f"{backend_id} {cache}"] = {
                    "median_ms": round(1e3 * statistics.median(times), 1),
                    "steps": len(flow.steps),
                    "misses": round(found.misses),
                }
                print(backend_id, cache, rows[f"{backend_id} {cache}"], flush=True)
    return {"resnet50": rows, "passed": all(r["median_ms"] < 50 for r in rows.values())}


if __name__ == "__main__":
    run(main, ("--repeats", {"type": int, "default": 15}))
