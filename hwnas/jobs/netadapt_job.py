"""NetAdapt as a whole search: a network is measured, trained, shrunk, measured again and exported."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from hwnas.core.errors import HwnasError, LockHeld, UsageError
from hwnas.core.units import format_seconds
from hwnas.host.lock import lock_holder
from hwnas.host.machine import probe_environment
from hwnas.jobs.declaring import declared_anew, declared_before
from hwnas.jobs.feasibility import Feasibility, LatencyProof
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import RESULT, Declared, SearchFolder
from hwnas.jobs.host_timer import CLOSE, alone
from hwnas.jobs.latency_models import named_predictor
from hwnas.jobs.listener import JobListener, Watching
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.result import result_record
from hwnas.jobs.start_network import Start, start_network
from hwnas.jobs.winner import export_files
from hwnas.measuring.api import measure
from hwnas.netadapt.adapt import adapt, check_reach
from hwnas.netadapt.predicted import PredictedLatency
from hwnas.netadapt.progress import Adapted, Progress
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.predicting.locating import find_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.searching.trial import Cost, SearchResult, Trial, TrialState
from hwnas.store import LatencyStore
from hwnas.training.datasets import load_data
from hwnas.training.fine_tuning import fine_tuner
from hwnas.training.loop import accuracy_on, train
from hwnas.training.memory import check_training_memory
from hwnas.training.settings import TrainingSettings
from hwnas.training.several_seeds import MeanAccuracy
from hwnas.workloads.models import model_name
from hwnas.workloads.spaces.workload import space_model

_STEPS = "netadapt"
#: What the predictor was asked for in each round: a run that goes on must ask the same.
_LIMITS = "netadapt.json"
_DATA = "digits"
#: How often a network that turns out too slow is shrunk further.
_ROUNDS = 3
#: What is aimed at lies so far below the limit that a measurement's interval does not reach it.
_MARGIN = 1.03
#: Candidates of a step that are fine-tuned; the paper fine-tunes all.
_SETTINGS = NetAdaptSettings(candidates=6)


def shrink(
    options: SearchOptions, folder: SearchFolder, *, db: str | None, resume: bool, listener: JobListener
) -> dict[str, Any]:
    """Shrink a network until it is measured to be within the limit.

    Args:
        options: Of the search, with `start` and one latency limit.
        folder: For all that comes out.
        db: Database of latencies.
        resume: Go on with what is in the folder.
        listener: Told how it goes.

    Returns:
        What ``result.json`` holds.

    Raises:
        OutOfMemory: The network cannot be trained here.
        UnknownName: No such network or data.
        UsageError: There is not one latency limit, there is no predictor, or the limit cannot be reached.
    """
    if len(options.max_latency_s) != 1 or options.max_count:
        raise UsageError("the engine netadapt takes one latency limit and no other", "Give --max-latency once")
    name = options.data or _DATA
    # Images of a folder come in the size that is asked for; others are scaled to it.
    data = load_data(name, image_size=options.image_size if name.startswith("folder:") else None)
    start = start_network(str(options.start), data, options.image_size, options.seed, options.batch)
    predictor = _predictor(options, listener)
    if resume:
        declared, storage = declared_before(folder, options, db)
    else:
        declared, storage = declared_anew(folder, options, "", db)
    with LatencyStore.open(storage) as store:
        shrinking = _Shrinking(declared, folder, start, predictor, store, listener)
        try:
            return shrinking.run()
        except HwnasError:
            if not folder.trainings.exists():
                folder.abandon()
            raise


def _predictor(options: SearchOptions, listener: JobListener) -> LatencyPredictor:
    environment = probe_environment()
    named = named_predictor(options, environment)
    if named is not None:
        return named
    found, note = find_predictor(environment, options.backends[0], options.threads)
    if note:
        listener.notice(f"{options.backends[0]}: the predictor was {note}")
    return found


@dataclass
class _Shrinking:
    declared: Declared
    folder: SearchFolder
    start: Start
    predictor: LatencyPredictor
    store: LatencyStore
    listener: JobListener

    def __post_init__(self) -> None:
        self._options = self.declared.options
        ((self._backend, self._limit_s),) = self._options.max_latency_s.items()
        self._notices: list[str] = []
        given = {} if self._options.epochs is None else {"epochs": self._options.epochs}
        self._settings = TrainingSettings.for_images(len(self.start.data.train), **given)
        workload = self.start.workload
        self._model = space_model(workload) if workload.kind == "space" else model_name(workload)
        images = self.start.data.validation.images[: self._options.batch]
        self._images = self.start.data.normalised(images).contiguous()

    def run(self) -> dict[str, Any]:
        data = self.start.data
        limits_s = self._limits_so_far()
        if not limits_s:
            # How far the predictor is off is told by the whole network.
            proof = self._measured(self.start.network)
            limits_s = self._next_limit([], proof, self._predicted()(self.start.network))
        self.listener.phase("looking how far the network can be shrunk")
        check_reach(self.start.network, self._images, self._predicted(), limits_s[0], _SETTINGS)
        network = self._trained()
        first = accuracy_on(network, data, data.validation).value
        trials: list[Trial] = []
        for number in range(_ROUNDS):
            adapted = self._adapted(network, limits_s[number], number)
            if not trials:
                trials.append(self._trial(0, "as it was trained", first, adapted.first_s))
            for step in adapted.steps:
                text = f"{step.group}: {step.channels} channels left"
                trials.append(self._trial(len(trials), text, step.accuracy, step.latency_s))
            trials.append(self._trial(len(trials), "fine-tuned", adapted.accuracy, adapted.latency_s))
            network = adapted.network
            proof = self._measured(network)
            if proof.verdict is not Feasibility.NOT or proof.estimate is None:
                break
            if len(limits_s) == number + 1:
                limits_s = self._next_limit(limits_s, proof, adapted.latency_s)
        return self._told(network, trials, proof)

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self.listener.notice(text)

    def _limits_so_far(self) -> list[float]:
        if not (self.folder.path / _LIMITS).exists():
            return []
        return [float(limit_s) for limit_s in self.folder.read(_LIMITS)["predicted_limits_s"]]

    def _next_limit(self, limits_s: list[float], proof: LatencyProof, predicted_s: float) -> list[float]:
        """The predictor's word, made true by what was measured, says what to ask it for."""
        ratio = 1.0 if proof.estimate is None else proof.estimate.latency_s / predicted_s
        if proof.estimate is not None:
            measured = format_seconds(proof.estimate.latency_s)
            self._note(f"measured {measured}, {ratio:.2f} times what the predictor allows for")
        found = [*limits_s, self._limit_s / (_MARGIN * ratio)]
        self.folder.write(_LIMITS, {"predicted_limits_s": found})
        return found

    def _predicted(self) -> PredictedLatency:
        return PredictedLatency(self.predictor, self._images)

    def _trained(self) -> nn.Module:
        if self.start.trained:
            return self.start.network
        file = self.folder.trainings / "start.safetensors"
        if not file.exists():
            check_training_memory(self.start.workload, self._settings.batch)
        found = train(
            self.start.network,
            self.start.data,
            self._settings,
            seed=self._options.seed,
            checkpoint=file,
            model=self._model,
            report=lambda e: self.listener.phase(
                f"training {self._model}: epoch {e.epoch} of {e.epochs}, accuracy {e.accuracy:.1%}"
            ),
        )
        return found.network

    def _adapted(self, network: nn.Module, limit_s: float, number: int) -> Adapted:
        def watch(progress: Progress) -> None:
            self.listener.phase(
                f"step {progress.step}: {progress.activity}; {format_seconds(progress.latency_s)} of "
                f"{format_seconds(progress.limit_s)}"
            )

        return adapt(
            _contiguous(network),
            self._images,
            self._predicted(),
            limit_s,
            fine_tuner(self.start.data, self._settings, self._options.seed),
            _SETTINGS,
            seed=self._options.seed,
            folder=self.folder.path / _STEPS / str(number + 1),
            identity={
                "start": self._model,
                "data": self.start.data.digest,
                "backend": self.predictor.backend,
                "threads": self.predictor.threads,
                "training": asdict(self._settings),
            },
            watch=watch,
        )

    def _measured(self, network: nn.Module) -> LatencyProof:
        """Once nobody else measures on this machine."""
        self.listener.phase("measuring the network")
        watcher = Watching(self.listener)
        while True:
            if lock_holder() is not None:
                with alone(watcher):
                    pass
            try:
                found = measure(
                    _contiguous(network),
                    self._images,
                    backends=[self._backend],
                    threads=self._options.threads,
                    settings=CLOSE,
                    cache_misses="model",
                    store=self.store,
                    watcher=watcher,
                )[self._backend]
            except LockHeld:
                continue  # somebody was faster
            return LatencyProof(self._backend, found.estimate, self._limit_s, found.reason)

    def _trial(self, number: int, text: str, accuracy: float, latency_s: float) -> Trial:
        cost = Cost(latency_s, latency_s, latency_s)
        name = f"latency {self._backend}"
        return Trial(number, {}, text, TrialState.COMPLETE, accuracy, {name: cost})

    def _told(self, network: nn.Module, trials: list[Trial], proof: LatencyProof) -> dict[str, Any]:
        data, workload = self.start.data, self.start.workload
        seeds = (self._options.seed,)
        winner = Finalist(
            trials[-1],
            workload,
            (proof,),
            chosen_by=MeanAccuracy((accuracy_on(network, data, data.validation),), seeds),
            reported=MeanAccuracy((accuracy_on(network, data, data.test),), seeds),
        )
        self.listener.phase("exporting the network")
        about = {"start": self._options.start}
        files = export_files(self.folder, workload, network, data, self._images, about)
        result = SearchResult(
            study="",
            space=self._model,
            digest="",
            engine=self._options.engine,
            sampler="NetAdapt",
            seed=self._options.seed,
            limits=(),
            traded=(),
            trials=tuple(trials),
        )
        record = result_record(
            self.declared,
            result,
            [winner],
            winner,
            model=self._model,
            pruned_from=str(self._options.start),
            environment=probe_environment(),
            importance={},
            notices=self._notices,
            files=files,
            data=data,
        )
        # The steps before it are on the way, and beyond the limit.
        last = trials[-1].number
        record["front"] = [last]
        record["search"] |= {"best": last, "front": [last]}
        self.folder.write(RESULT, record)
        from hwnas.report.search.page import write_search_page

        write_search_page(record, self.folder.path)
        return record


def _contiguous(network: nn.Module) -> nn.Module:
    """A copy as it is exported: training leaves weights in channels-last memory."""
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)
