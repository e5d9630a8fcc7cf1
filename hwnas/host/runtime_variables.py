"""Environment variables that steer a runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = re.compile("(MALLOC|ATEN|KMP|OMP|GOMP|ONEDNN|DNNL|MKL|OPENVINO|OV|TORCH)_")

#: The folders of a path in a value, which may hold several paths.
_FOLDERS = re.compile(r"""[^\s:;,='"]*/""")


def runtime_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of PyTorch, OpenVINO, oneDNN, OpenMP and the heap.

    Args:
        environ: Of a process.
    """
    return {name: value for name, value in sorted(environ.items()) if _NAMES.match(name)}


def without_folders(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables as they may be stored: of a path its last name, since folders tell of their owner.

    Args:
        variables: By name.
    """
    return {name: _FOLDERS.sub("", value) for name, value in variables.items()}
