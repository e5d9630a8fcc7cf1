"""Hardware-aware neural architecture search: measure, predict and search under a latency limit.

Names are loaded when first used; `import hwnas` alone loads no heavy library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "HwnasError",
    "LatencyPredictor",
    "Measurements",
    "Workload",
    "__version__",
    "host_predictor",
    "measure",
]

if TYPE_CHECKING:
    from hwnas.core.errors import HwnasError
    from hwnas.core.workload import Workload
    from hwnas.measuring.api import Measurements, measure
    from hwnas.predicting.locating import host_predictor
    from hwnas.predicting.predictor import LatencyPredictor

    __version__: str

_HOMES = {
    "HwnasError": "hwnas.core.errors",
    "LatencyPredictor": "hwnas.predicting.predictor",
    "Measurements": "hwnas.measuring.api",
    "Workload": "hwnas.core.workload",
    "host_predictor": "hwnas.predicting.locating",
    "measure": "hwnas.measuring.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("hwnas")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hwnas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
