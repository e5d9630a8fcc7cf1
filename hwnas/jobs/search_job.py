"""A whole search of a space: evaluate, measure finalists, train them with several seeds, export, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.jobs.feasibility import Feasibility
from hwnas.jobs.finalists import Finalist, most_accurate, prove, spread_over
from hwnas.jobs.folder import RESULT, Declared, SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.latency_models import latency_models, limits_of
from hwnas.jobs.listener import JobListener, Watching
from hwnas.jobs.options import NETADAPT, SearchOptions
from hwnas.jobs.result import result_record
from hwnas.jobs.winner import export_winner
from hwnas.searching.cost_model import CostModel
from hwnas.searching.counted_cost import CountedCost
from hwnas.searching.importance import choice_importance
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.optuna_study import add_measured
from hwnas.searching.run import checked_sampler, run_search
from hwnas.searching.trial import SearchResult, Trial
from hwnas.store import LatencyStore
from hwnas.store.location import location_text
from hwnas.training.accuracy import AccuracyEvaluator
from hwnas.training.datasets import load_data
from hwnas.training.evaluators import find_evaluator
from hwnas.training.image_data import ImageData
from hwnas.training.networks import space_for
from hwnas.training.settings import TrainingSettings
from hwnas.training.several_seeds import mean_accuracy
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_model, space_workload

#: Name of the evaluator that trains on the data.
TRAIN = "train"
#: Told of every network, whether limited or not.
_WATCHED = ("macs", "parameters")
#: How often finalists are chosen anew where none of them is within the limits.
_ROUNDS = 3
#: Trials before a training is compared with others, and the share of its epochs before that.
_PRUNING_STARTS = 5
_PRUNED_AFTER = 1 / 3


def search(
    options: SearchOptions,
    out: str | Path,
    *,
    db: str | None = None,
    resume: bool = False,
    listener: JobListener | None = None,
) -> dict[str, Any]:
    """Find the most accurate network of a space under a latency limit, and prove the limit by measuring.

    Without a limit, latency is traded against accuracy, and the result is a Pareto front. What is finished is
    kept at any moment: ``resume=True`` goes on.

    Args:
        options: What to search; with `resume`, those that the search began with, or more trials or time.
        out: Folder for all that comes out.
        db: Database of latencies and studies, as ``--db`` takes it.
        resume: Go on with the search in `out`.
        listener: Told how it goes.

    Returns:
        What ``result.json`` holds; docs/search.md says what each key is.

    Raises:
        DatabaseError: The database cannot be used.
        NothingLeft: No network of the space is within the limits.
        UnknownName: A name that is not known: of a space, an engine, a sampler, data, a backend.
        UsageError: An option or the folder cannot be used.
        HwnasError: Several trainings failed, one after the other.
    """
    hears = listener or JobListener()
    folder = SearchFolder(Path(out))
    if options.engine == NETADAPT:
        from hwnas.jobs.netadapt_job import shrink

        return shrink(options, folder, db=db, resume=resume, listener=hears)
    checked_sampler(options.engine, options.sampler)
    material = _material(options, folder)
    if resume:
        declared = replace(folder.declared(), options=options)
    else:
        now = datetime.now(UTC)
        name = f"{material.space.name} {folder.path.name} {now:%Y-%m-%d %H:%M:%S.%f}"
        declared = Declared(options, name, now.isoformat(timespec="seconds"))
        folder.begin(declared)
    with LatencyStore.open(db) as store:
        timer = HostTimer(store, probe_environment(), options.threads, Watching(hears), declared.study)
        return _Job(declared, folder, material, timer, location_text(db), hears).run()


@dataclass(frozen=True)
class _Material:
    """What networks are made and judged by.

    Args:
        space: Theirs.
        evaluator: Tells their accuracies.
        data: Images that they are trained on; None where another evaluator needs none.
        epochs: Of a training; None where nobody says.
    """

    space: Space
    evaluator: AccuracyEvaluator
    data: ImageData | None
    epochs: int | None


def _material(options: SearchOptions, folder: SearchFolder) -> _Material:
    if options.accuracy != TRAIN:
        evaluator = find_evaluator(options.accuracy, folder=folder.trainings)
        return _Material(load_space(options.space), evaluator, None, options.epochs)
    data = load_data(options.data, image_size=options.image_size)
    given = {} if options.epochs is None else {"epochs": options.epochs}
    settings = TrainingSettings.for_images(len(data.train), **given)
    evaluator = find_evaluator(TRAIN, data=data, settings=settings, folder=folder.trainings)
    return _Material(space_for(options.space, data), evaluator, data, settings.epochs)


class _Job:
    def __init__(
        self,
        declared: Declared,
        folder: SearchFolder,
        material: _Material,
        timer: HostTimer,
        storage: str,
        listener: JobListener,
    ) -> None:
        self._declared, self._options = declared, declared.options
        self._folder, self._material, self._timer = folder, material, timer
        self._storage, self._listener = storage, listener
        self._notices: list[str] = []
        self._models = latency_models(self._options, material.space, timer, self._note)
        self._limits = limits_of(self._options, material.space, self._models)

    def run(self) -> dict[str, Any]:
        result = self._searched()
        finalists = self._finalists(result)
        winner = min(finalists, key=lambda finalist: finalist.rank, default=None)
        files: list[str] = []
        if winner is not None and self._material.data is not None:
            self._listener.phase("exporting the winner")
            files = export_winner(self._folder, winner, self._trainer(), self._options)
        elif winner is not None:
            self._note("nothing is exported: the evaluator leaves no weights")
        record = result_record(
            self._declared,
            result,
            finalists,
            winner,
            model=None if winner is None else space_model(winner.workload),
            environment=self._timer.environment,
            importance=choice_importance(self._storage, self._declared.study, self._options.seed),
            notices=self._notices,
            files=files,
            data=self._material.data,
        )
        self._folder.write(RESULT, record)
        from hwnas.report.search.page import write_search_page

        self._listener.phase("drawing the page")
        write_search_page(record, self._folder.path)
        return record

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self._listener.notice(text)

    def _searched(self) -> SearchResult:
        options = self._options
        traded: list[CostModel] = [] if options.limited else [self._models[options.backend]]
        return run_search(
            self._material.space,
            self._material.evaluator,
            limits=self._limits,
            traded=traded,
            watched=[
                CountedCost(self._material.space, name) for name in _WATCHED if name not in options.max_count
            ],
            engine=options.engine,
            sampler=options.sampler,
            trials=options.trials,
            budget_s=options.budget_s,
            seed=options.seed,
            storage=self._storage,
            study=self._declared.study,
            resume=True,  # of a study that is there: the folder says whether it may be
            pruner=None if traded else self._pruner(),
            listener=self._listener,
        )

    def _pruner(self) -> optuna.pruners.BasePruner | None:
        if not self._options.prune or self._material.epochs is None:
            return None
        warm = max(1, round(_PRUNED_AFTER * self._material.epochs))
        return optuna.pruners.MedianPruner(n_startup_trials=_PRUNING_STARTS, n_warmup_steps=warm)

    def _finalists(self, result: SearchResult) -> list[Finalist]:
        found: list[Finalist] = []
        for _ in range(_ROUNDS):
            chosen = self._chosen(result, found)
            if not chosen:
                break
            self._listener.phase(f"measuring {len(chosen)} finalists")
            trials = [(trial, self._workload(trial)) for trial in chosen]
            limits_s = self._options.max_latency_s
            new = prove(self._timer, trials, self._options.backends, limits_s)
            self._learn(new)
            found += [f if f.verdict is Feasibility.NOT else self._trained(f) for f in new]
            if any(f.verdict in (None, Feasibility.FEASIBLE) for f in new):
                break
        return found

    def _chosen(self, result: SearchResult, known: Sequence[Finalist]) -> list[Trial]:
        count = self._options.finalists
        if self._options.limited:
            return most_accurate(result, self._limits, known)[:count]
        return [] if known else spread_over(result.front, count)

    def _learn(self, finalists: Sequence[Finalist]) -> None:
        """The models take over what was measured: a trial that only seemed to be within a limit is no more."""
        measured: dict[str, dict[str, float]] = {}
        for finalist in finalists:
            for proof in finalist.proofs:
                model = self._models[proof.backend]
                if proof.estimate is not None and isinstance(model, LearnedLatency):
                    own = measured.setdefault(model.name, {})
                    own[finalist.trial.text] = proof.estimate.latency_s
                    model.remember({finalist.trial.text: proof.estimate.latency_s})
        add_measured(self._storage, self._declared.study, measured)

    def _trained(self, finalist: Finalist) -> Finalist:
        """With several seeds, and on the images that decide nothing."""
        seeds = [self._options.seed + number for number in range(self._options.final_seeds)]
        if self._options.accuracy.startswith("table:"):
            return finalist  # a table says the same to every seed
        network = replace(finalist.workload, input_shape=(1, *finalist.workload.input_shape[1:]))

        def told(seed: int, number: int, epoch: Any) -> None:
            self._listener.phase(
                f"finalist of trial {finalist.trial.number}, seed {seed}: epoch {epoch.epoch} of {epoch.epochs}"
            )

        report = partial(_report, told, finalist.trial.number)
        chosen_by = mean_accuracy(self._material.evaluator, network, seeds, report=report)
        reported = None
        if self._material.data is not None:
            on_test = self._trainer(part="test")
            reported = mean_accuracy(on_test, network, seeds)
        return replace(finalist, chosen_by=chosen_by, reported=reported)

    def _trainer(self, part: Any = "validation") -> TrainedEvaluator:
        evaluator = self._material.evaluator
        assert isinstance(evaluator, TrainedEvaluator)  # there are data
        return TrainedEvaluator(evaluator.data, evaluator.settings, self._folder.trainings, part)

    def _workload(self, trial: Trial) -> Workload:
        return space_workload(self._material.space, trial.architecture, batch=self._options.batch)


def _report(told: Any, number: int, seed: int, epoch: Any) -> None:
    if not epoch.replayed:
        told(seed, number, epoch)
