"""The Optuna study that holds a search: opened, checked, and put in order after a crash."""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
import psutil
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.exc import SQLAlchemyError

from hwnas.core.errors import DatabaseError, UsageError
from hwnas.store.location import resolve

#: Study attribute: what the search was declared as.
DECLARATION = "hwnas"
#: Study attribute: what was measured, by cost.
MEASURED = "hwnas measured"
#: Study attribute: the processes that work on it.
_RUNS = "hwnas runs"
#: Trial attribute: the process that evaluates it.
_OWNER = "owner"
#: Trial attribute: number of the trial that a dead process left behind.
_AGAIN = "again"
#: Where Optuna keeps the parameters of a trial that was queued.
_QUEUED = "fixed_params"
_DIGITS = 12
#: A process' start is told from the time of the boot, which clocks that are set shift.
_SAME_START_S = 2.0


def open_study(
    storage: str | None,
    name: str,
    declaration: Mapping[str, Any],
    *,
    traded: Sequence[str] = (),
    resume: bool = False,
) -> Study:
    """A new study, or one to go on with.

    Args:
        storage: A path or URL as ``--db`` takes it; None for this process' memory.
        name: Of the study.
        declaration: What the search is, JSON-ready; one that goes on must be the same.
        traded: Names of costs to minimise besides the accuracy.
        resume: Go on with a study of that name, where there is one.

    Raises:
        DatabaseError: The storage cannot be opened.
        UsageError: There is a study of that name and `resume` is False, or it is another search.
    """
    with quiet():
        opened = open_storage(storage)
        exists = any(study.study_name == name for study in _summaries(opened))
        if exists and not resume:
            raise UsageError(f"there is a study {name!r} already", "Resume it, or give another name")
        directions = [StudyDirection.MAXIMIZE, *(StudyDirection.MINIMIZE for _ in traded)]
        study = optuna.create_study(storage=opened, study_name=name, directions=directions, load_if_exists=True)
        # Also where an earlier run was killed before it came to this.
        if DECLARATION not in study.user_attrs and not study.get_trials(deepcopy=False):
            study.set_metric_names(["accuracy", *traded])
            study.set_user_attr(DECLARATION, dict(declaration))
    _check_declaration(study, declaration)
    return study


def _check_declaration(study: Study, declaration: Mapping[str, Any]) -> None:
    found = study.user_attrs.get(DECLARATION)
    if not isinstance(found, dict):
        raise UsageError(f"the study {study.study_name!r} is not one of hwnas", "Give another name")
    for key, value in declaration.items():
        # Those that were begun before it was kept do not say how much a limit is exactly.
        if found.get(key, value) != value:
            raise UsageError(
                f"the study {study.study_name!r} was begun with {key} {found[key]}, not {value}",
                "Go on as it was begun, or give another name",
            )


def open_storage(location: str | None) -> BaseStorage:
    """Where studies are kept.

    Args:
        location: A path or URL as ``--db`` takes it; None for this process' memory.

    Raises:
        DatabaseError: It cannot be opened.
    """
    if location is None:
        return InMemoryStorage()
    place = resolve(location)
    if place.path is None and place.url is None:
        return InMemoryStorage()
    url = place.url.render_as_string(hide_password=False) if place.url else f"sqlite:///{place.path}"
    try:
        if place.path is not None:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        return RDBStorage(url)
    except (OSError, RuntimeError, SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatabaseError(
            f"Optuna cannot keep a study in {place}: {first}", "Give a database that can be written"
        ) from error


def _summaries(storage: BaseStorage) -> list[optuna.study.StudySummary]:
    return optuna.get_all_study_summaries(storage, include_best_trial=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without messages on studies it makes, and on what it calls experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def measured_key(host: str) -> str:
    """Study attribute of what was measured on a host; of costs without a host where it is empty."""
    return f"{MEASURED} {host}".strip()


def queued_again(trials: Sequence[FrozenTrial]) -> set[int]:
    """Numbers of trials that ended without an evaluation, and whose networks were queued once more."""
    found = (trial.user_attrs.get(_AGAIN) for trial in trials)
    return {int(number) for number in found if number is not None}


def own(trial: optuna.Trial) -> None:
    """Mark a trial as evaluated by this process."""
    trial.set_user_attr(_OWNER, _owner(os.getpid()))


def take_up(study: Study) -> list[int]:
    """Begin to work on a study: fail trials of this machine's dead processes, and queue their networks again.

    A kill at any moment leaves nothing twice: the queue is filled first, and a trial is queued once. Processes
    of other machines are thought to live.

    Returns:
        Numbers of the trials that were left behind.
    """
    others = [run for run in study.user_attrs.get(_RUNS, []) if _alive(run)]
    study.set_user_attr(_RUNS, [*others, _owner(os.getpid())])
    trials = study.get_trials(deepcopy=False)
    queued = {trial.user_attrs.get(_AGAIN) for trial in trials}
    dead = []
    for trial in trials:
        owner = trial.user_attrs.get(_OWNER)
        # One without an owner was just asked for, here or there.
        alive = _alive(owner) if owner else bool(others)
        if trial.state is OptunaState.RUNNING and not alive:
            # One that waited in the queue may have been killed before it had its parameters.
            params = trial.system_attrs.get(_QUEUED, trial.params)
            if trial.number not in queued and params:
                study.enqueue_trial(params, user_attrs={_AGAIN: trial.number})
            study.tell(trial.number, state=OptunaState.FAIL)
            dead.append(trial.number)
    return dead


def give_back(study: Study, trial: optuna.Trial) -> None:
    """End a trial that was interrupted, and queue its network again."""
    study.enqueue_trial(trial.params, user_attrs={_AGAIN: trial.number})
    study.tell(trial, state=OptunaState.FAIL)


def _owner(pid: int) -> dict[str, Any]:
    # The machine's name stays out of the database.
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:_DIGITS]
    return {"machine": machine, "pid": pid, "started": psutil.Process(pid).create_time()}


def _alive(owner: Any) -> bool:
    """Whether a process is there, other than this one; those of other machines are thought to be."""
    here = _owner(os.getpid())
    if owner.get("machine") != here["machine"]:
        return True
    if owner.get("pid") == here["pid"]:
        # This process evaluates one trial at a time, and has just begun.
        return False
    try:
        return abs(float(_owner(int(owner["pid"]))["started"]) - float(owner["started"])) < _SAME_START_S
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def add_measured(storage: str, study: str, measured: Mapping[str, Mapping[str, float]], host: str = "") -> None:
    """Keep in a study what was measured after it, so that it is known when the search goes on.

    Args:
        storage: Of the study, a path or URL.
        study: Its name.
        measured: Name of a cost -> compact text of an architecture -> value.
        host: What the values are true for.
    """
    with quiet():
        opened = optuna.load_study(study_name=study, storage=open_storage(storage))
        before = opened.user_attrs.get(measured_key(host), {})
        together = {name: {**before.get(name, {}), **measured.get(name, {})} for name in {**before, **measured}}
        opened.set_user_attr(measured_key(host), together)
