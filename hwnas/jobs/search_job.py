"""A whole search of a space: evaluate, measure finalists, train them with several seeds, export, tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy.exc import SQLAlchemyError

from hwnas.core.errors import DatabaseError, HwnasError, MissingDependency, UsageError
from hwnas.core.foreign_code import in_one_line
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.jobs.declaring import declared_anew, declared_before, opened_store
from hwnas.jobs.defaults import trials_of
from hwnas.jobs.feasibility import Feasibility
from hwnas.jobs.finalists import Finalist, measured_latencies
from hwnas.jobs.folder import RESULT, Declared, SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.latency_models import latency_models, limits_of
from hwnas.jobs.listener import JobListener, Watching
from hwnas.jobs.material import Material, material_of
from hwnas.jobs.options import NETADAPT, SearchOptions
from hwnas.jobs.paths import with_absolute_paths
from hwnas.jobs.proving import Proving
from hwnas.jobs.result import result_record
from hwnas.jobs.several_trainings import trained_with_seeds
from hwnas.jobs.winner import best_seed, export_winner
from hwnas.measuring.input_memory import check_input_memory
from hwnas.searching.cost_model import CostModel
from hwnas.searching.counted_cost import CountedCost
from hwnas.searching.curve_pruner import CurvePruner
from hwnas.searching.importance import choice_importance
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.run import checked_sampler, run_search
from hwnas.searching.study_content import has_trials
from hwnas.searching.trial import SearchResult, Trial
from hwnas.workloads.spaces.workload import space_model, space_workload

#: Told of every network, whether limited or not.
_WATCHED = ("macs", "parameters")
#: Trials before a training is given up, and the share of its epochs before that.
_PRUNING_STARTS = 5
_PRUNED_AFTER = 1 / 3


def search(
    options: SearchOptions,
    out: str | Path,
    *,
    db: str | None = None,
    resume: bool = False,
    processes: int = 1,
    listener: JobListener | None = None,
) -> dict[str, Any]:
    """Find the most accurate network of a space under a latency limit, and prove the limit by measuring.

    Without a limit, latency is traded against accuracy, and the result is a Pareto front. What is finished is
    kept at any moment: ``resume=True`` goes on.

    Args:
        options: What to search; with `resume`, those that the search began with, but for those of
            :data:`hwnas.jobs.options.CHANGEABLE`.
        out: Folder for all that comes out.
        db: Database of latencies and studies, as ``--db`` takes it; one in memory is refused. None for the
            usual one or, with `resume`, that of the search.
        resume: Go on with the search in `out`.
        processes: That make the predictor's table of the space; with more than one, a script needs its
            ``if __name__ == "__main__"``.
        listener: Told how it goes.

    Returns:
        What ``result.json`` holds; docs/search.md says what each key is.

    Raises:
        CellError: Nothing can be measured.
        DatabaseError: The database cannot be used.
        NothingLeft: No network of the space is within the limits.
        OutOfMemory: A batch of images does not fit into memory.
        UnknownName: A name that is not known: of a space, an engine, a sampler, data, a backend.
        UsageError: An option or the folder cannot be used.
        HwnasError: Several trainings failed, one after the other.
    """
    hears = listener or JobListener()
    folder = SearchFolder(Path(out).absolute())
    chosen = with_absolute_paths(options)
    if chosen.engine == NETADAPT:
        from hwnas.jobs.netadapt_job import shrink

        return shrink(chosen, folder, db=db, resume=resume, listener=hears)
    checked_sampler(chosen.engine, chosen.sampler)
    material = material_of(chosen, folder)
    check_input_memory([(chosen.batch, *material.space.input_shape)], "Give a smaller --batch")
    if resume:
        declared, storage = declared_before(folder, chosen, db)
    else:
        name = f"{material.space.name} {folder.path.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        declared, storage = declared_anew(folder, chosen, name, db)
    try:
        with opened_store(folder, storage, begun_now=not resume) as store:
            timer = HostTimer(store, probe_environment(), chosen.threads, Watching(hears), declared.study)
            job = _Job(declared, folder, material, timer, storage, processes, hears)
            return job.run(begun_now=not resume)
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
        raise DatabaseError(
            f"the database {declared.db} fails: {in_one_line(error)}",
            f"What is finished is kept: hwnas search --resume --out {folder.path} goes on",
        ) from error


@dataclass
class _Job:
    declared: Declared
    folder: SearchFolder
    material: Material
    timer: HostTimer
    storage: str
    processes: int
    listener: JobListener

    def __post_init__(self) -> None:
        self._options = self.declared.options
        self._notices: list[str] = []

    def run(self, *, begun_now: bool) -> dict[str, Any]:
        try:
            self._prepare()
            result = self._searched()
        except HwnasError:
            self._ended_early(begun_now)
            raise
        finalists = self._finalists(result)
        result = replace(result, measured=self._measured(result, finalists))
        winner = min(finalists, key=lambda finalist: finalist.rank, default=None)
        files = [] if winner is None else self._exported(winner)
        record = result_record(
            self.declared,
            result,
            finalists,
            winner,
            model=None if winner is None else space_model(winner.workload),
            training_seed=best_seed(winner, self._options) if winner is not None and files else None,
            environment=self.timer.environment,
            importance=choice_importance(self.storage, self.declared.study, self._options.seed),
            notices=self._notices,
            files=files,
            data=self.material.data,
        )
        self.folder.write(RESULT, record)
        from hwnas.report.search.page import write_search_page

        self.listener.phase("drawing the page")
        write_search_page(record, self.folder.path)
        return record

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self.listener.notice(text)

    def _prepare(self) -> None:
        """Latency models that know something: what cannot be measured is told before anything is trained."""
        options, space = self._options, self.material.space
        self._models = latency_models(
            options,
            space,
            self.timer,
            self.folder,
            self.listener,
            told=self._note,
            processes=self.processes,
        )
        self._limits = limits_of(options, space, self._models)
        for model in self._models.values():
            if isinstance(model, LearnedLatency):
                self.listener.phase(f"measuring networks to learn the {model.name} from")
                model.prepare()
        if options.engine == "nni" and not options.limited:
            self._note("NNI looks for accuracy alone: the front is of what it happens to try")

    def _searched(self) -> SearchResult:
        options, space = self._options, self.material.space
        traded: list[CostModel] = [] if options.limited else [self._models[options.backend]]
        watched = [CountedCost(space, name) for name in _WATCHED if name not in options.max_count]
        result = run_search(
            space,
            self.material.evaluator,
            limits=self._limits,
            traded=traded,
            watched=watched,
            engine=options.engine,
            sampler=options.sampler,
            trials=trials_of(options),
            budget_s=options.budget_s,
            seed=options.seed,
            storage=self.storage,
            study=self.declared.study,
            resume=True,  # of a study that is there: the folder says whether it may be
            pruner=None if traded else self._pruner(),
            epochs=options.epochs,
            host=self.timer.environment.fingerprint,
            listener=self.listener,
        )
        if result.ended:
            self._note(_ended_told(result, trials_of(options)))
        return result

    def _pruner(self) -> optuna.pruners.BasePruner | None:
        if not self._options.prune or self.material.epochs is None:
            return None
        warm = max(1, round(_PRUNED_AFTER * self.material.epochs))
        return CurvePruner(best=self._options.finalists, startup=_PRUNING_STARTS, warmup=warm)

    def _ended_early(self, begun_now: bool) -> None:
        """Free the folder where nothing has come of the search, such as under a limit that nothing holds."""
        try:
            kept = has_trials(self.storage, self.declared.study)
        except (DatabaseError, optuna.exceptions.OptunaError, SQLAlchemyError):
            return  # nobody knows, so nothing is given up
        if kept:
            self.listener.notice(
                f"what is finished is kept: hwnas search --resume --out {self.folder.path} goes on"
            )
        elif begun_now:
            self.folder.abandon()

    def _finalists(self, result: SearchResult) -> list[Finalist]:
        proving = Proving(
            declared=self.declared,
            folder=self.folder,
            timer=self.timer,
            models=self._models,
            limits=self._limits,
            storage=self.storage,
            listener=self.listener,
            workload_of=self._workload,
        )
        found = proving.finalists(result)
        best = min((finalist.rank[0] for finalist in found), default=0)
        return [self._trained(finalist, may_win=finalist.rank[0] == best) for finalist in found]

    def _trained(self, finalist: Finalist, *, may_win: bool) -> Finalist:
        """With several seeds where it may win, and on the images that decide nothing."""
        once = not may_win or finalist.verdict is Feasibility.NOT
        seeds = [self._options.seed + number for number in range(1 if once else self._options.final_seeds)]
        return trained_with_seeds(finalist, self.material, self._options, seeds, self.listener, self._note)

    def _measured(self, result: SearchResult, finalists: Sequence[Finalist]) -> dict[str, Mapping[str, float]]:
        """Name of a cost -> network -> what was measured, also of finalists that no model learns from."""
        found = {**result.measured, **{m.name: m.measured for m in self._models.values() if m.measured}}
        for name, own in measured_latencies(finalists).items():
            found[name] = {**found.get(name, {}), **own}
        return found

    def _exported(self, winner: Finalist) -> list[str]:
        trainer = self.material.trainer()
        if trainer is None:
            self._note("nothing is exported: the evaluator leaves no weights")
            return []
        self.listener.phase("exporting the winner")
        try:
            return export_winner(self.folder, winner, trainer, self._options)
        except (MissingDependency, UsageError):
            raise
        except HwnasError as error:
            # The search is worth telling all the same.
            self._note(f"the winner could not be exported: {error}")
            return []

    def _workload(self, trial: Trial) -> Workload:
        return space_workload(self.material.space, trial.architecture, batch=self._options.batch)


def _ended_told(result: SearchResult, trials: int | None) -> str:
    """How many networks were evaluated, and why no more."""
    if trials is not None:
        counted = f"{result.evaluations} of {trials} networks were"
    else:
        counted = "1 network was" if result.evaluations == 1 else f"{result.evaluations} networks were"
    return f"{counted} evaluated: {result.ended}"
