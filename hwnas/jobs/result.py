"""What ``result.json`` holds."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from hwnas import __version__
from hwnas.core.environment import Environment
from hwnas.core.kernel import Kernel
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import SCHEMA, Declared
from hwnas.searching.trial import SearchResult
from hwnas.training.image_data import ImageData

#: Packages that make a search another one.
_PACKAGES = ("torch", "openvino", "optuna", "numpy", "scikit-learn")
#: Kernels that the page shows.
_KERNELS = 15


def result_record(
    declared: Declared,
    result: SearchResult,
    finalists: Sequence[Finalist],
    winner: Finalist | None,
    *,
    model: str | None,
    environment: Environment,
    importance: Mapping[str, float],
    notices: Sequence[str],
    files: Sequence[str],
    data: ImageData | None,
) -> dict[str, Any]:
    """JSON-ready.

    Args:
        declared: What was searched.
        result: All trials.
        finalists: Measured.
        winner: One of them; None where no network was evaluated to its end.
        model: The winner, as users name it; None without one.
        environment: The host.
        importance: Of the choices.
        notices: What a person should know.
        files: Of the winner, in the folder.
        data: That networks were trained on.
    """
    options = declared.options
    own = None if winner is None else winner.record()
    found = {
        "schema": SCHEMA,
        "verdict": None if own is None else own["verdict"],
        "accuracy": None if own is None else own["accuracy"],
        "latencies": [] if own is None else own["latencies"],
        "winner": None
        if winner is None
        else {
            "trial": winner.trial.number,
            "model": model,
            "architecture": dict(winner.trial.architecture),
            "counts": {n: c.median for n, c in winner.trial.costs.items() if not n.startswith("latency ")},
            "kernels": kernel_records(winner.kernels),
        },
        "limits": {
            "latency_ms": {backend: most * 1e3 for backend, most in options.max_latency_s.items()},
            "counts": dict(options.max_count),
            "confidence": options.confidence,
        },
        "finalists": [finalist.record() for finalist in finalists],
        "front": [trial.number for trial in result.front],
        "importance": dict(importance),
        "search": result.record(),
        "options": options.to_dict(),
        "notices": list(dict.fromkeys(notices)),
        "files": list(files),
        "provenance": provenance(declared, environment, data),
    }
    # As it is read from the file: no tuples, no enumerations.
    return dict(json.loads(json.dumps(found)))


def provenance(declared: Declared, environment: Environment, data: ImageData | None) -> dict[str, Any]:
    """Where, when and with what; JSON-ready."""
    images = None
    if data is not None:
        images = {
            "name": data.name,
            "digest": data.digest,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        }
    return {
        "hwnas": __version__,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "cpu": environment.cpu_model,
        "environment": environment.fingerprint,
        "study": declared.study,
        "started": declared.started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": images,
        "command": "hwnas " + " ".join(sys.argv[1:]) if sys.argv[0].endswith("hwnas") else None,
    }


def kernel_records(kernels: Sequence[Kernel]) -> list[dict[str, Any]]:
    """The costliest kernels, the costliest first, with their share of all; times in milliseconds."""
    timed = [k for k in kernels if k.time_s is not None]
    total = sum(k.time_s or 0.0 for k in timed)
    found = []
    for kernel in sorted(timed, key=lambda k: -(k.time_s or 0.0))[:_KERNELS]:
        shapes = kernel.attributes.get("input_shapes") or []
        found.append(
            {
                "type": kernel.type,
                "implementation": kernel.implementation,
                "input": "x".join(map(str, shapes[0])) if shapes else "",
                "fused": list(kernel.fused),
                "time_ms": (kernel.time_s or 0.0) * 1e3,
                "share": (kernel.time_s or 0.0) / total if total else 0.0,
            }
        )
    return found
