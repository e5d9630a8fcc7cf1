"""Environment variables that steer a runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = re.compile("(MALLOC|ATEN|KMP|OMP|GOMP|ONEDNN|DNNL|MKL|OPENVINO|OV|TORCH)_")


def runtime_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of PyTorch, OpenVINO, oneDNN, OpenMP and the heap.

    Args:
        environ: Of a process.
    """
    return {name: value for name, value in sorted(environ.items()) if _NAMES.match(name)}
