"""The one door to OpenVINO: it opens with the telemetry left outside."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

from hwnas.core.errors import MissingDependency


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    `import openvino` itself sends an event and conversion writes an id file under the home
    folder, both through the package `openvino_telemetry`. OpenVINO falls back to a stub of its
    own when that package cannot be imported, which a None in `sys.modules` brings about.

    Raises:
        MissingDependency: OpenVINO is not installed.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import openvino
    except ImportError as error:
        raise MissingDependency(f"OpenVINO cannot be imported: {error}", "pip install openvino") from error
    module: ModuleType = openvino
    return module
