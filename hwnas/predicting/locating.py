"""Where predictors are kept: one folder for each host, backend and number of threads."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from hwnas.backends.registry import BACKENDS
from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.resources import data_folder, is_file
from hwnas.host.machine import probe_environment
from hwnas.predicting.hosts import alike, vectors
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_files import PREDICTOR_FILE

_FOLDER = "predictors"


class NoPredictor(UsageError):
    """There is none for this host."""


def predictor_name(backend: str, threads: int) -> str:
    """Name of a predictor's folder, such as ``openvino-cpu-fp32-t1``."""
    return f"{backend.replace(':', '-').replace('/', '-')}-t{threads}"


def own_folder(environment: Environment, backend: str, threads: int) -> Path:
    """Where ``hwnas fit`` keeps a predictor of this host, in the platform's folder for user data."""
    base = Path(platformdirs.user_data_dir("hwnas", appauthor=False))
    return base / _FOLDER / environment.fingerprint / predictor_name(backend, threads)


def find_predictor(environment: Environment, backend: str, threads: int) -> tuple[LatencyPredictor, str]:
    """This host's own predictor, else that of the shipped host that is most like it and of its class.

    Args:
        environment: This host's.
        backend: Full id, or a short one that only one backend has.
        threads: Threads of the backend.

    Returns:
        The predictor, and a sentence that says how its host differs; empty for this host's own. Predictions of
        another host's say so themselves.

    Raises:
        NoPredictor: There is neither.
        UnknownName: There is no such backend.
        UsageError: One cannot be read.
    """
    backend = BACKENDS.resolve(backend)
    own = own_folder(environment, backend, threads)
    if is_file(own / PREDICTOR_FILE):
        return LatencyPredictor.load(own, environment=environment), ""
    shipped = _shipped(environment, predictor_name(backend, threads))
    suitable = [p for p in shipped if alike(p.environment, environment)]
    if not suitable:
        others = "".join(f"; one ships for {_processor(p.environment)}, of another kind" for p in shipped[:1])
        arm = f"--backend {backend} --threads {threads}"
        raise NoPredictor(
            f"there is no predictor of {backend} at {threads} thread(s) for this host, "
            f"{_processor(environment)}{others}",
            f"Make one: hwnas measure {arm}, then hwnas fit {arm}",
        )
    nearest = max(suitable, key=lambda p: _likeness(p.environment, environment))
    return nearest, nearest.elsewhere


def host_predictor(backend: str, threads: int = 1) -> LatencyPredictor:
    """The predictor for this host: its own, else the shipped one that :func:`find_predictor` takes.

    Of another host's, ``elsewhere`` says how that host differs, and so does each prediction.

    Args:
        backend: Full id, or a short one that only one backend has.
        threads: Threads of the backend.

    Raises:
        NoPredictor: There is none.
        UnknownName: There is no such backend.
        UsageError: One cannot be read.
    """
    return find_predictor(probe_environment(), backend, threads)[0]


def shipped_folders(name: str = "*") -> list[Path]:
    """The folders of the predictors that ship with hwnas.

    Args:
        name: As :func:`predictor_name` gives it; all without one.
    """
    return sorted(data_folder("latency_db").glob(f"*/{_FOLDER}/{name}"))


def _shipped(environment: Environment, name: str) -> list[LatencyPredictor]:
    """Shipped predictors of a name.

    Raises:
        UsageError: One cannot be read, which no user can be to blame for.
    """
    found = []
    for folder in shipped_folders(name):
        try:
            found.append(LatencyPredictor.load(folder, environment=environment, any_host=True))
        except UsageError as error:
            raise UsageError(
                f"a predictor that ships with hwnas is broken: {error.message}",
                "Install hwnas again, or make one of this host: hwnas measure, then hwnas fit",
            ) from error
    return found


def _processor(environment: Environment) -> str:
    instructions = vectors(environment)
    return environment.cpu_model + (f" ({instructions})" if instructions else "")


def _likeness(one: Environment, other: Environment) -> tuple[bool, bool, float, bool]:
    """How alike two hosts are: the same, the same processor, then the instruction sets that both have."""
    mine, theirs = set(one.instruction_sets), set(other.instruction_sets)
    shared = len(mine & theirs) / max(1, len(mine | theirs))
    same = one.fingerprint == other.fingerprint
    return same, one.cpu_model == other.cpu_model, shared, one.logical_cpus == other.logical_cpus
