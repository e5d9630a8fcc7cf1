"""What a NetAdapt search tells: its steps as trials, and ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hwnas.core.environment import Environment
from hwnas.core.workload import Workload
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import Declared
from hwnas.jobs.kernel_records import kernel_records
from hwnas.jobs.module_proof import ModuleProof
from hwnas.jobs.netadapt_rounds import Round
from hwnas.jobs.result import result_record
from hwnas.netadapt.progress import Adapted
from hwnas.searching.trial import Cost, SearchResult, Trial, TrialState
from hwnas.training.image_data import ImageData
from hwnas.training.loop import accuracy_on
from hwnas.training.several_seeds import MeanAccuracy
from hwnas.workloads.counting import count


class StepTrials:
    """The networks of a shrinking, one trial each.

    Args:
        backend: Whose latency is limited.
        model: What is shrunk, as users name it.
        images: An input, float32, batch first.
    """

    def __init__(self, backend: str, model: str, images: torch.Tensor) -> None:
        self._backend, self._model, self._images = backend, model, images
        self.steps = 0
        self.trials: list[Trial] = []

    def begin(self, network: nn.Module, accuracy: float, first: Round) -> None:
        """The whole network.

        Args:
            network: Trained.
            accuracy: Its own, on the validation images.
            first: The round that begins with it.
        """
        self._add("as it was trained", accuracy, first.corrected(first.predicted_s), network)

    def add(self, adapted: Adapted, one: Round) -> None:
        """The steps of a round, and what they came to.

        Args:
            adapted: The round's result.
            one: The round.
        """
        last = one.predicted_s
        for step in adapted.steps:
            last = step.interval_s or (step.latency_s, step.latency_s, step.latency_s)
            text = f"{step.group}: {step.channels} channels left"
            self._add(text, step.accuracy, one.corrected(last))
        self.steps += len(adapted.steps)
        self._add("fine-tuned", adapted.accuracy, one.corrected(last), adapted.network)

    def _add(self, text: str, accuracy: float, latency: Cost, network: nn.Module | None = None) -> None:
        costs = {f"latency {self._backend}": latency}
        if network is not None:
            costs |= self._counts(network)
        self.trials.append(Trial(len(self.trials), {}, text, TrialState.COMPLETE, accuracy, costs))

    def _counts(self, network: nn.Module) -> Mapping[str, Cost]:
        """Of one image."""
        found = count(network, (self._images[:1],), self._model)
        return {name: Cost(n, n, n) for name, n in (("macs", found.macs), ("parameters", found.parameters))}


def netadapt_record(
    declared: Declared,
    told: StepTrials,
    network: nn.Module,
    proof: ModuleProof,
    *,
    workload: Workload,
    model: str,
    data: ImageData,
    environment: Environment,
    notices: Sequence[str],
    files: Sequence[str],
) -> dict[str, Any]:
    """JSON-ready.

    Args:
        declared: The search.
        told: All steps.
        network: What they came to.
        proof: Measured of it.
        workload: The network before it was shrunk.
        model: The same, as users name it.
        data: That it was trained on.
        environment: The host.
        notices: What a person should know.
        files: Of the network, in the folder.
    """
    options = declared.options
    seeds = (options.seed,)
    winner = Finalist(
        told.trials[-1],
        workload,
        (proof.latency,),
        chosen_by=MeanAccuracy((accuracy_on(network, data, data.validation),), seeds),
        reported=MeanAccuracy((accuracy_on(network, data, data.test),), seeds),
        kernels=tuple(kernel_records(proof.kernels)),
    )
    result = SearchResult(
        study="",
        space=model,
        digest="",
        engine=options.engine,
        sampler="NetAdapt",
        seed=options.seed,
        limits=(),
        traded=(),
        trials=tuple(told.trials),
    )
    record = result_record(
        declared,
        result,
        [winner],
        winner,
        model=model,
        pruned_from=str(options.start),
        steps=told.steps,
        environment=environment,
        importance={},
        notices=notices,
        files=files,
        data=data,
    )
    # The steps before it are on the way, and beyond the limit.
    last = told.trials[-1].number
    record["search"] |= {"best": last, "front": [last]}
    return record
