"""The model of cache misses against callgrind: six patterns, two sizes, two runtimes, two caches."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from cache_cells import GEOMETRIES, RUNTIMES, cells
from cache_counts import Counts
from reporting import exclusive, run
from scipy.stats import spearmanr

from hwnas.core.workload import Workload


def main(options: Namespace) -> dict[str, Any]:
    with exclusive("cache_model"):
        counts = Counts([w for _, w in cells()], GEOMETRIES, options.keep)
    rows = [_row(counts, b, cache, size, w) for b in RUNTIMES for cache in GEOMETRIES for size, w in cells()]
    summary = {}
    for backend_id in RUNTIMES:
        for cache in GEOMETRIES:
            own = [r for r in rows if (r["runtime"], r["cache"]) == (backend_id, cache)]
            simulated, modelled = ([r[k] for r in own] for k in ("callgrind", "model"))
            summary[f"{backend_id} {cache}"] = {
                "cells": len(own),
                "spearman": round(float(spearmanr(simulated, modelled).statistic), 3),
                "median_error_percent": round(float(np.median([abs(r["error_percent"]) for r in own])), 1),
            }
    passed = all(s["spearman"] >= 0.95 and s["median_error_percent"] <= 20 for s in summary.values())
    return {"cells": rows, "summary": summary, "passed": passed}


def _row(counts: Counts, backend_id: str, cache: str, size: str, workload: Workload) -> dict[str, Any]:
    simulated, modelled = (counts.get(s, backend_id, cache, workload) for s in ("callgrind", "model"))
    error = round(100 * (modelled / simulated - 1), 1)
    label = workload.label
    print(f"{backend_id:18} {cache:6} {label:45} {simulated:12.0f} {modelled:12.0f} {error:7.1f} %", flush=True)
    return {
        "runtime": backend_id,
        "cache": cache,
        "size": size,
        "workload": label,
        "callgrind": round(simulated),
        "model": round(modelled),
        "error_percent": error,
    }


if __name__ == "__main__":
    run(main, ("--keep", {"help": "file that keeps finished counts"}))
