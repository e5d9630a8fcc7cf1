"""The search: ask a sampler, judge by the limits, evaluate, tell, until enough networks were evaluated."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.study import Study

from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.evaluation_time import seconds_by_network
from hwnas.searching.limit import Limit
from hwnas.searching.listener import Listener
from hwnas.searching.loop import Loop, Task
from hwnas.searching.nni_engine import NNI_DEFAULT, check_nni_sampler, search_with_nni
from hwnas.searching.optuna_samplers import SAMPLERS, SamplerRequest, make_sampler
from hwnas.searching.optuna_study import DECLARATION, measured_key, open_study
from hwnas.searching.optuna_trials import read_trial
from hwnas.searching.trial import SearchResult
from hwnas.training.accuracy import AccuracyEvaluator
from hwnas.workloads.spaces.space import Space

#: Who suggests the networks of a space.
ENGINES = ("optuna", "nni")
#: Sampler of the engine optuna.
DEFAULT = "hwnas"
#: Evaluations, where neither their number nor a time is given.
_TRIALS = 30


def run_search(
    space: Space,
    evaluator: AccuracyEvaluator,
    *,
    limits: Sequence[Limit] = (),
    traded: Sequence[CostModel] = (),
    watched: Sequence[CostModel] = (),
    engine: str = "optuna",
    sampler: str | None = None,
    trials: int | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    storage: str | None = None,
    study: str | None = None,
    resume: bool = False,
    pruner: BasePruner | None = None,
    epochs: int | None = None,
    host: str = "",
    listener: Listener | None = None,
) -> SearchResult:
    """Look for the most accurate networks of a space.

    Networks beyond a limit are ruled out before anything is trained, and do not count as evaluations.

    Args:
        space: To search.
        evaluator: Tells accuracies.
        limits: That must hold.
        traded: Costs to keep small besides; the result then is a front.
        watched: Costs to be estimated and kept with each trial, nothing more.
        engine: Who suggests networks: ``optuna`` or ``nni``.
        sampler: One of :data:`hwnas.searching.optuna_samplers.SAMPLERS`, or of
            :data:`hwnas.searching.nni_engine.NNI_SAMPLERS`; None for the engine's usual one.
        trials: Evaluations in all, those before a resumption and of other processes on the study included; None
            for 30, or for any number where `budget_s` ends the search. With both, whichever comes first does.
        budget_s: Time after which no evaluation is begun [s], that of evaluations before a resumption included;
            None for any.
        seed: Of sampler and trainings.
        storage: A path or URL that keeps the study, as ``--db`` takes it; None for this process' memory.
        study: Its name; None for one made of space and seed.
        resume: Go on with a study of that name, where there is one.
        pruner: One of Optuna's, for poor trials; None to train all to their end. It needs a single objective.
        epochs: Of a training; None for the evaluator's own.
        host: What measured costs are true for, such as an environment's fingerprint: a search that goes on
            elsewhere measures anew.
        listener: Told how it goes.

    Raises:
        DatabaseError: The storage cannot be used.
        MissingDependency: NNI is asked for and cannot be used.
        NothingLeft: No network is within the limits.
        UnknownName: No such engine or sampler.
        UsageError: The study is there already, or is another search; an option cannot be used; the evaluator
            cannot be.
        HwnasError: Several evaluations failed, one after the other.
    """
    task = Task(space, evaluator, tuple(limits), tuple(traded), tuple(watched), seed, epochs, host)
    _check(task, trials, pruner)
    sampler = checked_sampler(engine, sampler)
    names = [cost.name for cost in traded]
    declaration = {
        "space": space.name,
        "digest": space.digest,
        "engine": engine,
        "sampler": sampler,
        "seed": seed,
        "limits": [limit.told for limit in limits],
        # What people are told is rounded.
        "at_most": {limit.cost.name: [float(limit.at_most), float(limit.confidence)] for limit in limits},
        "traded": names,
    }
    # Before the study is made: a misspelt name leaves nothing behind.
    request = SamplerRequest(space, task.limits, task.traded, seed, 0, budget_s)
    # NNI hands its own networks to the study: nothing is left to this one.
    suggested_by = "random" if engine == "nni" else sampler
    make_sampler(suggested_by, request)
    opened = open_study(storage, study or f"{space.name} seed {seed}", declaration, traded=names, resume=resume)
    asked = len(opened.get_trials(deepcopy=False))
    opened.sampler = make_sampler(suggested_by, replace(request, asked=asked))
    opened.pruner = pruner or NopPruner()
    loop = Loop(task, opened, listener or Listener())
    spent_s = sum(seconds_by_network(opened.get_trials(deepcopy=False)).values())
    until = math.inf if budget_s is None else time.monotonic() + budget_s - spent_s
    enough = _TRIALS if trials is None and budget_s is None else trials
    try:
        loop.begin()
    except HwnasError:
        # A limit that nothing holds leaves no study.
        if not opened.get_trials(deepcopy=False):
            optuna.delete_study(study_name=opened.study_name, storage=opened._storage)
        raise
    if engine == "nni":
        ended = search_with_nni(loop, space, sampler, enough, seed, until)
    else:
        ended = loop.go_on(enough, until)
    loop.finish()
    return replace(search_result(space, opened, host), ended=ended)


def checked_sampler(engine: str, sampler: str | None) -> str:
    """The sampler that an engine runs.

    Raises:
        MissingDependency: NNI is asked for and cannot be used.
        UnknownName: No such engine or sampler.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if engine == "nni":
        check_nni_sampler(sampler or NNI_DEFAULT)
        return sampler or NNI_DEFAULT
    SAMPLERS.load(sampler or DEFAULT)
    return sampler or DEFAULT


def _check(task: Task, trials: int | None, pruner: BasePruner | None) -> None:
    limited = [limit.cost for limit in task.limits]
    # A cost may be both limited and kept small; two costs of one name would be taken for each other.
    costs = {id(cost): cost.name for cost in (*limited, *task.traded, *task.watched)}
    names = list(costs.values())
    if len(set(names)) < len(names) or len(set(map(id, limited))) < len(limited):
        twice = max(names, key=names.count)
        raise UsageError(f"two costs have the name {twice!r}", "Limit, trade or watch each once")
    if task.traded and pruner is not None:
        raise UsageError("poor trials can be given up only where accuracy alone counts", "Leave the pruner out")
    if trials is not None and trials < 1:
        raise UsageError(f"{trials} trials are not enough", "Give at least 1")


def search_result(space: Space, study: Study, host: str = "") -> SearchResult:
    """What a study holds.

    Args:
        space: That was searched.
        study: Made by :func:`run_search`.
        host: As there.
    """
    about = study.user_attrs[DECLARATION]
    found = (read_trial(space, trial) for trial in study.get_trials(deepcopy=False))
    return SearchResult(
        study=study.study_name,
        space=about["space"],
        digest=about["digest"],
        engine=about["engine"],
        sampler=about["sampler"],
        seed=about["seed"],
        limits=tuple(about["limits"]),
        traded=tuple(about["traded"]),
        trials=tuple(trial for trial in found if trial is not None),
        measured=study.user_attrs.get(measured_key(host), {}),
    )
