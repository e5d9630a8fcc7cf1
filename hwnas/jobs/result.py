"""What ``result.json`` holds."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from hwnas import __version__
from hwnas.core.environment import Environment
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import SCHEMA, Declared
from hwnas.jobs.options import SearchOptions
from hwnas.searching.trial import SearchResult, front_of
from hwnas.store.command_line import told_arguments
from hwnas.training.image_data import ImageData

#: Packages that make a search another one.
_PACKAGES = ("torch", "openvino", "optuna", "numpy", "scikit-learn")


def result_record(
    declared: Declared,
    result: SearchResult,
    finalists: Sequence[Finalist],
    winner: Finalist | None,
    *,
    model: str | None,
    training_seed: int | None = None,
    pruned_from: str | None = None,
    steps: int | None = None,
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
        training_seed: Of the training whose weights were exported; None where nothing was.
        pruned_from: What NetAdapt has shrunk; None for a network of a space.
        steps: In so many; None likewise.
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
            "kernels": list(winner.kernels),
            "training_seed": training_seed,
            "pruned_from": pruned_from,
            "steps": steps,
        },
        "limits": {
            "latency_ms": {backend: most * 1e3 for backend, most in options.max_latency_s.items()},
            "counts": dict(options.max_count),
            "confidence": options.confidence,
        },
        "finalists": [finalist.record() for finalist in finalists],
        "front": _front(result, options),
        "importance": dict(importance),
        "search": result.record(),
        "options": options.to_dict(),
        "notices": list(dict.fromkeys(notices)),
        "files": list(files),
        "provenance": provenance(declared, environment, data),
    }
    # As it is read from the file: no tuples, no enumerations.
    return dict(json.loads(json.dumps(found)))


def _front(result: SearchResult, options: SearchOptions) -> list[int]:
    """Of accuracy and the latency that figures show, the first that is limited or the one that is traded."""
    name = f"latency {next(iter(options.max_latency_s), options.backend)}"
    told = [trial for trial in result.complete if name in trial.costs]
    return [trial.number for trial in front_of(told, [name], result.measured)]


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
        "command": _command(),
    }


def _command() -> str | None:
    """The command line, as it can be pasted; a database's password is not in it."""
    if Path(sys.argv[0]).name not in ("hwnas", "__main__.py"):
        return None
    return shlex.join(["hwnas", *told_arguments(sys.argv[1:])])
