"""The cells on which cache misses are compared, chosen before any was simulated.

Both sizes exceed both caches, so that misses are traffic and not leftovers: large images, whose activations do,
and wide layers on small images, whose weights do. MACs are kept low, since a simulated inference takes about a
thousand times as long.
"""

from __future__ import annotations

from typing import Any

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.workload import Workload
from hwnas.workloads.patterns import pattern_workload

GEOMETRIES = {"4 MB": CacheGeometry(4 * 2**20, 16, 64), "32 MB": CacheGeometry(32 * 2**20, 16, 64)}
RUNTIMES = ("torch:cpu:fp32", "openvino:cpu:fp32")

#: Pattern -> (large images, wide layers).
_SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "standard": (
        {"depth": 2, "width": 8, "resolution": 768},
        {"depth": 5, "width": 512, "resolution": 4},
    ),
    "factorized": (
        {"depth": 1, "width": 8, "resolution": 768},
        {"depth": 7, "width": 512, "resolution": 4},
    ),
    "bottleneck": (
        {"depth": 1, "width": 16, "resolution": 288},
        {"depth": 3, "width": 512, "resolution": 4},
    ),
    "depthwise_separable": (
        {"depth": 2, "width": 16, "resolution": 576},
        {"depth": 12, "width": 1024, "resolution": 4},
    ),
    "depthwise_bottleneck": (
        {"depth": 2, "width": 96, "resolution": 240},
        {"depth": 5, "width": 3072, "resolution": 4},
    ),
    "grouped": (
        {"depth": 2, "width": 16, "resolution": 576},
        {"depth": 12, "width": 1024, "resolution": 4},
    ),
}


def cells() -> list[tuple[str, Workload]]:
    """Size and workload, two for each pattern."""
    return [
        (size, pattern_workload(pattern, **parameters))
        for pattern, both in _SIZES.items()
        for size, parameters in zip(("large images", "wide layers"), both, strict=True)
    ]
