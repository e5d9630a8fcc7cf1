"""Where predictors are kept: one folder for each host, backend and number of threads."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.resources import data_folder, is_file
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_files import PREDICTOR_FILE

_FOLDER = "predictors"


def predictor_name(backend: str, threads: int) -> str:
    """Name of a predictor's folder, such as ``openvino-cpu-fp32-t1``."""
    return f"{backend.replace(':', '-').replace('/', '-')}-t{threads}"


def own_folder(environment: Environment, backend: str, threads: int) -> Path:
    """Where ``hwnas fit`` keeps a predictor of this host, in the platform's folder for user data."""
    base = Path(platformdirs.user_data_dir("hwnas", appauthor=False))
    return base / _FOLDER / environment.fingerprint / predictor_name(backend, threads)


def find_predictor(environment: Environment, backend: str, threads: int) -> tuple[LatencyPredictor, str]:
    """This host's own predictor, else that of the shipped host that is most like it.

    Returns:
        The predictor, and a sentence that says how its host differs; empty for this host's own.

    Raises:
        UsageError: There is neither, or it cannot be read.
    """
    own = own_folder(environment, backend, threads)
    if is_file(own / PREDICTOR_FILE):
        return LatencyPredictor.load(own, environment=environment), ""
    shipped = _shipped(environment, predictor_name(backend, threads))
    if not shipped:
        raise UsageError(
            f"there is no predictor of {backend} at {threads} thread(s) for this host",
            f"Make one: hwnas measure, then hwnas fit --backend {backend} --threads {threads}",
        )
    nearest = max(shipped, key=lambda p: _likeness(p.environment, environment))
    if nearest.environment.fingerprint == environment.fingerprint:
        return nearest, ""
    return nearest, (
        f"made on another host, {nearest.environment.cpu_model} ({nearest.environment.fingerprint}), not on "
        f"{environment.cpu_model} ({environment.fingerprint}): hwnas measure and hwnas fit make one for this"
    )


def _shipped(environment: Environment, name: str) -> list[LatencyPredictor]:
    """Shipped predictors for processors of this architecture; one that is damaged is left out."""
    found = []
    for folder in sorted(data_folder("latency_db").glob(f"*/{_FOLDER}/{name}")):
        try:
            predictor = LatencyPredictor.load(folder)
        except UsageError:
            continue
        if predictor.environment.architecture == environment.architecture:
            found.append(predictor)
    return found


def _likeness(one: Environment, other: Environment) -> tuple[bool, float, bool]:
    """How alike two hosts are: the same processor, then the instruction sets that both have."""
    mine, theirs = set(one.instruction_sets), set(other.instruction_sets)
    shared = len(mine & theirs) / max(1, len(mine | theirs))
    return one.cpu_model == other.cpu_model, shared, one.logical_cpus == other.logical_cpus
