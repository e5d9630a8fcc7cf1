"""The study's finding: OpenVINO misses the cache less than PyTorch for every pattern; by which operators."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from cache_cells import GEOMETRIES, RUNTIMES
from cache_counts import Counts
from reporting import exclusive, run

from hwnas.cache_misses.operators import OPERATOR_KINDS
from hwnas.core.counter import misses_of
from hwnas.workloads.patterns import PATTERNS, pattern_workload

#: The study's cache, on which feature maps of 64 x 112 x 112 (3.2 MB) leave room for nothing else.
_CACHE = "4 MB"


def main(options: Namespace) -> dict[str, Any]:
    native, accelerated = RUNTIMES
    workloads = [pattern_workload(p, depth=2, width=64, resolution=112) for p in PATTERNS]
    with exclusive("cache_finding"):
        counts = Counts(workloads, {_CACHE: GEOMETRIES[_CACHE]}, options.keep)
    rows = []
    for workload in workloads:
        row: dict[str, Any] = {"workload": workload.label, "pattern": workload.name}
        for source in ("callgrind", "model"):
            before, after = (counts.get(source, b, _CACHE, workload) for b in (native, accelerated))
            row[source] = {"torch": round(before), "openvino": round(after), "ratio": round(before / after, 2)}
        saved = {
            kind: counts.get("model", native, _CACHE, workload, misses_of(kind))
            - counts.get("model", accelerated, _CACHE, workload, misses_of(kind))
            for kind in OPERATOR_KINDS
        }
        total = sum(saved.values())
        row["saved_by_operator_percent"] = {k: round(100 * v / total, 1) for k, v in saved.items() if v}
        rows.append(row)
        print(row, flush=True)
    ratios = {r["pattern"]: r["callgrind"]["ratio"] for r in rows}
    return {
        "patterns": rows,
        "torch_over_openvino": ratios,
        "depthwise_bottleneck_over_standard": round(ratios["depthwise_bottleneck"] / ratios["standard"], 2),
        "passed": min(ratios.values()) > 1,
    }


if __name__ == "__main__":
    run(main, ("--keep", {"help": "file that keeps finished counts"}))
