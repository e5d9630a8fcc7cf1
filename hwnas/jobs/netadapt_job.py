"""NetAdapt as a whole search: train a network, shrink it under the predictor, measure it, export it."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import torch

from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds
from hwnas.host.machine import probe_environment
from hwnas.jobs.feasibility import Feasibility, LatencyProof
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import RESULT, Declared, SearchFolder
from hwnas.jobs.host_timer import CLOSE
from hwnas.jobs.listener import JobListener, Watching
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.result import result_record
from hwnas.jobs.start_network import Start, start_network
from hwnas.jobs.winner import export_files
from hwnas.measuring.api import measure
from hwnas.netadapt.adapt import adapt
from hwnas.netadapt.predicted import PredictedLatency
from hwnas.netadapt.progress import Adapted, Progress
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.predicting.locating import find_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.searching.trial import Cost, SearchResult, Trial, TrialState
from hwnas.training.datasets import load_data
from hwnas.training.fine_tuning import fine_tuner
from hwnas.training.loop import accuracy_on, train
from hwnas.training.settings import TrainingSettings
from hwnas.training.several_seeds import MeanAccuracy
from hwnas.workloads.models import model_name
from hwnas.workloads.spaces.workload import space_model

_STEPS = "netadapt"
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
        UnknownName: No such network or data.
        UsageError: There is not one latency limit, there is no predictor, or the limit cannot be reached.
    """
    if len(options.max_latency_s) != 1 or options.max_count:
        raise UsageError("the engine netadapt takes one latency limit and no other", "Give --max-latency once")
    ((backend, limit_s),) = options.max_latency_s.items()
    data = load_data(options.data)
    start = start_network(str(options.start), data, options.image_size, options.seed)
    if resume:
        declared = replace(folder.declared(), options=options)
    else:
        declared = Declared(options, "", datetime.now(UTC).isoformat(timespec="seconds"))
    predictor = _predictor(options, backend, listener)
    if not resume:
        folder.begin(declared)
    return _Shrinking(declared, folder, start, predictor, limit_s, db, listener).run()


def _predictor(options: SearchOptions, backend: str, listener: JobListener) -> LatencyPredictor:
    environment = probe_environment()
    if options.predictor is not None:
        return LatencyPredictor.load(options.predictor, environment=environment)
    found, note = find_predictor(environment, backend, options.threads)
    if note:
        listener.notice(f"{backend}: the predictor was {note}")
    return found


class _Shrinking:
    def __init__(
        self,
        declared: Declared,
        folder: SearchFolder,
        start: Start,
        predictor: LatencyPredictor,
        limit_s: float,
        db: str | None,
        listener: JobListener,
    ) -> None:
        self._declared, self._options = declared, declared.options
        self._folder, self._start, self._predictor = folder, start, predictor
        self._limit_s, self._db, self._listener = limit_s, db, listener
        self._notices: list[str] = []
        given = {} if self._options.epochs is None else {"epochs": self._options.epochs}
        self._settings = TrainingSettings.for_images(len(start.data.train), **given)
        workload = start.workload
        self._model = space_model(workload) if workload.kind == "space" else model_name(workload)
        images = start.data.validation.images[:1]
        self._images = start.data.normalised(images).contiguous()

    def run(self) -> dict[str, Any]:
        network = self._trained()
        first = accuracy_on(network, self._start.data, self._start.data.validation).value
        trials: list[Trial] = []
        # The predictor's word, made true by what was measured.
        correction = self._correction(self._measured(network), self._predicted()(network))
        for number in range(_ROUNDS):
            adapted = self._adapted(network, self._limit_s / (_MARGIN * correction), number)
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
            correction = self._correction(proof, adapted.latency_s)
        return self._told(network, trials, proof)

    def _correction(self, proof: LatencyProof, predicted_s: float) -> float:
        """Measured over predicted."""
        if proof.estimate is None:
            return 1.0
        found = proof.estimate.latency_s / predicted_s
        self._note(
            f"measured {format_seconds(proof.estimate.latency_s)}, {found:.2f} times what the predictor "
            "allows for"
        )
        return found

    def _predicted(self) -> PredictedLatency:
        return PredictedLatency(self._predictor, self._images)

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self._listener.notice(text)

    def _trained(self) -> torch.nn.Module:
        if self._start.trained:
            return self._start.network
        file = self._folder.trainings / "start.safetensors"
        report = self._listener
        found = train(
            self._start.network,
            self._start.data,
            self._settings,
            seed=self._options.seed,
            checkpoint=file,
            model=self._model,
            report=lambda e: report.phase(
                f"training {self._model}: epoch {e.epoch} of {e.epochs}, accuracy {e.accuracy:.1%}"
            ),
        )
        return found.network.to(memory_format=torch.contiguous_format)

    def _adapted(self, network: torch.nn.Module, limit_s: float, number: int) -> Adapted:
        def watch(progress: Progress) -> None:
            self._listener.phase(
                f"step {progress.step}: {progress.activity}; {progress.latency_s * 1e3:.3g} ms of "
                f"{progress.limit_s * 1e3:.3g} ms"
            )

        return adapt(
            network,
            self._images,
            self._predicted(),
            limit_s,
            fine_tuner(self._start.data, self._settings, self._options.seed),
            _SETTINGS,
            seed=self._options.seed,
            folder=self._folder.path / _STEPS / str(number + 1),
            identity={
                "start": self._model,
                "data": self._start.data.digest,
                "backend": self._predictor.backend,
                "threads": self._predictor.threads,
                "training": asdict(self._settings),
            },
            watch=watch,
        )

    def _measured(self, network: torch.nn.Module) -> LatencyProof:
        self._listener.phase("measuring the network")
        batch = self._options.batch
        found = measure(
            network,
            self._images.expand(batch, -1, -1, -1).contiguous(),
            backends=[self._predictor.backend],
            threads=self._options.threads,
            settings=CLOSE,
            cache_misses="model",
            store=self._db or None,
            watcher=Watching(self._listener),
        )[self._predictor.backend]
        return LatencyProof(self._predictor.backend, found.estimate, self._limit_s, found.reason)

    def _trial(self, number: int, text: str, accuracy: float, latency_s: float) -> Trial:
        cost = Cost(latency_s, latency_s, latency_s)
        name = f"latency {self._predictor.backend}"
        return Trial(number, {}, text, TrialState.COMPLETE, accuracy, {name: cost})

    def _told(self, network: torch.nn.Module, trials: list[Trial], proof: LatencyProof) -> dict[str, Any]:
        data, workload = self._start.data, self._start.workload
        seeds = (self._options.seed,)
        winner = Finalist(
            trials[-1],
            workload,
            (proof,),
            chosen_by=MeanAccuracy((accuracy_on(network, data, data.validation),), seeds),
            reported=MeanAccuracy((accuracy_on(network, data, data.test),), seeds),
        )
        self._listener.phase("exporting the network")
        files = export_files(
            self._folder, workload, network, data, self._images, {"start": self._options.start}
        )
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
            self._declared,
            result,
            [winner],
            winner,
            model=self._model,
            environment=probe_environment(),
            importance={},
            notices=self._notices,
            files=files,
            data=data,
        )
        self._folder.write(RESULT, record)
        from hwnas.report.search.page import write_search_page

        write_search_page(record, self._folder.path)
        return record
