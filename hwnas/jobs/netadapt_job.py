"""NetAdapt as a whole search: a network is measured, trained, shrunk, measured again and exported."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, HwnasError, UsageError
from hwnas.core.units import format_duration, format_seconds
from hwnas.host.machine import probe_environment
from hwnas.jobs.declaring import declared_anew, declared_before, opened_store
from hwnas.jobs.feasibility import Feasibility
from hwnas.jobs.folder import RESULT, Declared, SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.latency_models import named_predictor
from hwnas.jobs.listener import JobListener, Watching
from hwnas.jobs.module_proof import ModuleProof, prove_module
from hwnas.jobs.netadapt_result import StepTrials, netadapt_record
from hwnas.jobs.netadapt_rounds import Round, Rounds
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.start_network import Start, start_data, start_network
from hwnas.jobs.winner import export_files
from hwnas.netadapt.adapt import adapt
from hwnas.netadapt.predicted import PredictedLatency
from hwnas.netadapt.progress import Adapted, Progress
from hwnas.netadapt.reach import OutOfReach, check_reach
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.predicting.locating import find_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_digest import predictor_digest
from hwnas.training.fine_tuning import fine_tuner
from hwnas.training.loop import accuracy_on, check_scores, train
from hwnas.training.memory import check_training_memory
from hwnas.training.settings import TrainingSettings
from hwnas.workloads.models import model_name
from hwnas.workloads.spaces.workload import space_model

_STEPS = "netadapt"
#: How often a network that turns out too slow is shrunk further.
_ROUNDS = 3
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
        CellError: The network cannot be measured.
        OutOfMemory: A batch of images does not fit, or the network cannot be trained here.
        UnknownName: No such network or data.
        UsageError: There is not one latency limit, there is no predictor, the data are others than those that
            the network was trained on or do not fit into memory, or the limit cannot be reached.
    """
    if len(options.max_latency_s) != 1 or options.max_count:
        raise UsageError("the engine netadapt takes one latency limit and no other", "Give --max-latency once")
    data = start_data(str(options.start), options.data, options.image_size)
    start = start_network(str(options.start), data, options.image_size, options.seed, options.batch)
    check_scores(start.network, start.data)
    environment = probe_environment()
    predictor, note = _predictor(options, environment)
    if note:
        listener.notice(note)
    if resume:
        declared, storage = declared_before(folder, options, db)
    else:
        declared, storage = declared_anew(folder, options, "", db)
    with opened_store(folder, storage, begun_now=not resume) as store:
        named = f"netadapt {folder.path} {declared.started}"
        timer = HostTimer(store, environment, options.threads, Watching(listener), named)
        try:
            return _Shrinking(declared, folder, start, predictor, note, timer, listener).run()
        except HwnasError:
            if folder.trainings.exists() or (folder.path / _STEPS).exists():
                listener.notice(f"what is finished is kept: hwnas search --resume --out {folder.path} goes on")
            elif not resume:
                folder.abandon()
            raise


def _predictor(options: SearchOptions, environment: Environment) -> tuple[LatencyPredictor, str]:
    """The predictor, and what a person should know of it, if anything."""
    named = named_predictor(options, environment)
    if named is not None:
        return named, ""
    found, note = find_predictor(environment, options.backends[0], options.threads)
    return found, f"{options.backends[0]}: the predictor was {note}" if note else ""


@dataclass
class _Shrinking:
    declared: Declared
    folder: SearchFolder
    start: Start
    predictor: LatencyPredictor
    predictor_note: str
    timer: HostTimer
    listener: JobListener

    def __post_init__(self) -> None:
        self._options = self.declared.options
        ((self._backend, self._limit_s),) = self._options.max_latency_s.items()
        self._notices: list[str] = [self.predictor_note] if self.predictor_note else []
        given = {} if self._options.epochs is None else {"epochs": self._options.epochs}
        self._settings = TrainingSettings.for_images(len(self.start.data.train), **given)
        workload = self.start.workload
        self._model = space_model(workload) if workload.kind == "space" else model_name(workload)
        images = self.start.data.validation.images
        # Also where there are fewer than a batch has.
        images = images[torch.arange(self._options.batch) % len(images)]
        self._images = self.start.data.normalised(images).contiguous()
        self._latency = PredictedLatency(self.predictor, self._images)
        self._host = self.timer.environment.fingerprint
        self._digest = predictor_digest(self.predictor)
        self._rounds = Rounds(self.folder.path / _STEPS, self._host, self._digest)

    def run(self) -> dict[str, Any]:
        data = self.start.data
        if self.start.other_data:
            self._note(self.start.other_data)
        if self._rounds.elsewhere:
            self._note("on another host, or with another predictor: the network is measured and shrunk anew")
        rounds = self._begun()
        network = self._trained()
        told = StepTrials(self._backend, self._model, self._images)
        told.begin(network, accuracy_on(network, data, data.validation).value, rounds[0])
        for number in range(_ROUNDS):
            try:
                adapted = self._adapted(network, rounds[number].limit_s, number)
            except OutOfReach as error:
                if not number:
                    raise
                # A network that is near the limit is worth telling all the same.
                self._note(f"the network could not be shrunk further: {error.message}")
                break
            told.add(adapted, rounds[number])
            network = adapted.network
            proof = self._proved(network, self._limit_s)
            if proof.latency.estimate is None or proof.latency.verdict is Feasibility.FEASIBLE:
                break
            if len(rounds) == number + 1 < _ROUNDS:
                rounds.append(self._round(proof, network))
                self._rounds.write(rounds)
        for one in rounds:
            self._notices.append(one.told)
        return self._told(network, told, proof)

    def _note(self, text: str) -> None:
        self._notices.append(text)
        self.listener.notice(text)

    def _begun(self) -> list[Round]:
        """The rounds of earlier runs, or the first: the whole network tells how far the predictor is off."""
        network, rounds = self.start.network, self._rounds.read()
        if not rounds:
            # What does not fit is told before anything is measured.
            self._check_memory()
            proof = self._proved(network, None)
            if proof.latency.estimate is None:
                raise CellError(
                    f"{self._backend}: {self._model} could not be measured: {proof.latency.reason}",
                    "hwnas devices says what this host can measure with",
                )
            rounds = [self._round(proof, network)]
        self.listener.phase("looking how far the network can be shrunk")
        check_reach(network, self._images, self._latency, rounds[0].limit_s, _SETTINGS)
        self._rounds.write(rounds)
        return rounds

    def _round(self, proof: ModuleProof, network: nn.Module) -> Round:
        assert proof.latency.estimate is not None  # its callers have looked
        predicted_s = self._latency.interval(_contiguous(network))
        found = Round.after(proof.latency.estimate, predicted_s, self._limit_s)
        self.listener.notice(found.told)
        return found

    @property
    def _weights(self) -> Path:
        return self.folder.trainings / "start.safetensors"

    def _check_memory(self) -> None:
        if not self.start.trained and not self._weights.exists():
            workload = self.start.workload
            check_training_memory(
                self.start.network, workload.label, workload.input_shape, self._settings.batch
            )

    def _trained(self) -> nn.Module:
        if self.start.trained:
            return self.start.network
        self._check_memory()
        found = train(
            self.start.network,
            self.start.data,
            self._settings,
            seed=self._options.seed,
            checkpoint=self._weights,
            model=self._model,
            report=lambda e: self.listener.phase(
                f"training {self._model}: epoch {e.epoch} of {e.epochs}, accuracy {e.accuracy:.1%}, about "
                f"{format_duration(e.remaining_s)} left"
            ),
        )
        return found.network

    def _adapted(self, network: nn.Module, limit_s: float, number: int) -> Adapted:
        def watch(progress: Progress) -> None:
            left = progress.remaining_s
            self.listener.phase(
                f"step {progress.step}: {progress.activity}; {format_seconds(progress.latency_s)} of "
                f"{format_seconds(progress.limit_s)}"
                + ("" if left is None else f", about {format_duration(left)} left")
            )

        return adapt(
            _contiguous(network),
            self._images,
            self._latency,
            limit_s,
            fine_tuner(self.start.data, self._settings),
            _SETTINGS,
            seed=self._options.seed,
            folder=self._rounds.folder(number),
            identity={
                "start": self._model,
                "data": self.start.data.digest,
                "backend": self.predictor.backend,
                "threads": self.predictor.threads,
                "host": self._host,
                "predictor": self._digest,
                "training": asdict(self._settings),
            },
            watch=watch,
        )

    def _proved(self, network: nn.Module, limit_s: float | None) -> ModuleProof:
        self.listener.phase("measuring the network")
        return prove_module(self.timer, network, self._images, self._backend, limit_s)

    def _told(self, network: nn.Module, told: StepTrials, proof: ModuleProof) -> dict[str, Any]:
        self.listener.phase("exporting the network")
        about = {"start": self._options.start}
        files = export_files(self.folder, self.start.workload, network, self.start.data, self._images, about)
        record = netadapt_record(
            self.declared,
            told,
            network,
            proof,
            workload=self.start.workload,
            model=self._model,
            data=self.start.data,
            environment=self.timer.environment,
            notices=self._notices,
            files=files,
        )
        self.folder.write(RESULT, record)
        from hwnas.report.search.page import write_search_page

        self.listener.phase("drawing the page")
        write_search_page(record, self.folder.path)
        return record


def _contiguous(network: nn.Module) -> nn.Module:
    """A copy as it is exported: training leaves weights in channels-last memory."""
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)
