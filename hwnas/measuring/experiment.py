"""Experiments: which workloads run on which backends, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwnas.backends.model_file import check_model_file
from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.host.cpus import usable_threads
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.settings import Settings
from hwnas.workloads.files import SUFFIXES
from hwnas.workloads.models import parse_model, parse_shape


@dataclass(frozen=True)
class Experiment:
    """A plan: every workload on every backend.

    Args:
        name: Of the campaign.
        title: One line for people.
        workloads: In the order of the file.
        backends: Full ids; the first is the baseline that speedups refer to.
        threads: Threads of every arm.
        settings: The measuring protocol's parameters.
        cache_misses: What to count beside latency; not part of the campaign's identity, so that misses
            can be counted later.
    """

    name: str
    title: str
    workloads: tuple[Workload, ...]
    backends: tuple[str, ...]
    threads: int
    settings: Settings
    cache_misses: CacheMisses = field(default_factory=CacheMisses)

    def spec(self) -> dict[str, Any]:
        """What makes two runs the same campaign, JSON-ready.

        The budget of a run is part of it: samples taken under another protocol are another campaign.
        """
        return {
            "name": self.name,
            "workloads": [w.key for w in self.workloads],
            "backends": list(self.backends),
            "threads": self.threads,
            "settings": self.settings.to_dict(),
        }


def model_workload(text: str, shape: tuple[int, ...] | None, batch: int | None, seed: int) -> Workload:
    """The workload of a model named in a file or on the command line.

    Raises:
        UnknownName: No such model.
        UsageError: The input cannot be used, or a model file does not take it or the batch.
    """
    if text.lower().endswith(SUFFIXES):
        # OpenVINO reads the file; the layer of workloads does not know any runtime.
        shape, batch = check_model_file(Path(text), shape, batch), None
    return parse_model(text, input_shape=shape, batch=batch, seed=seed)


def known_backends(names: Iterable[str]) -> tuple[str, ...]:
    """Full ids, each once; a third party's backend that cannot be imported is refused here, in one line.

    Raises:
        UnknownName: No such backend.
        UsageError: It cannot be imported.
    """
    ids = tuple(dict.fromkeys(BACKENDS.resolve(name) for name in names))
    for full in ids:
        backend(full)
    return ids


def check_threads(threads: int) -> None:
    """Refuse threads that cannot run at once: they would wait for each other, which no latency means.

    Raises:
        UsageError: No whole number, fewer than one, or more than this process may use.
    """
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise UsageError(f"threads is {threads!r}", "Give a whole number")
    usable = usable_threads()
    if not 1 <= threads <= usable:
        raise UsageError(
            f"threads is {threads}, but this process may use {usable} CPUs",
            f"Give at most {usable}, in the file or with --threads",
        )


def experiment_of_models(models: tuple[str, ...], input_text: str | None, batch: int | None) -> Experiment:
    """A plan for models named on the command line, on PyTorch and OpenVINO.

    Model files run on OpenVINO alone.

    Raises:
        UnknownName: No such model.
        UsageError: The input cannot be read, a model needs one, or a file does not take it or the batch.
    """
    shape = None if input_text is None else parse_shape(input_text)
    # Two names may stand for one network.
    workloads = tuple(dict.fromkeys(model_workload(m, shape, batch, seed=0) for m in models))
    files_only = all(w.kind == "file" for w in workloads)
    openvino = ("openvino:cpu:fp32", "openvino:gpu:fp16")
    return Experiment(
        name=Path(workloads[0].name).name if len(workloads) == 1 else "models",
        title=", ".join(w.label for w in workloads),
        workloads=workloads,
        backends=openvino if files_only else ("torch:cpu:fp32", *openvino),
        threads=1,
        settings=Settings(),
    )


def adjusted(
    experiment: Experiment,
    *,
    backends: tuple[str, ...] = (),
    threads: int | None = None,
    passes: int | None = None,
    budget_s: float | None = None,
    batch: int | None = None,
    cache_misses: str | None = None,
    caches: tuple[str, ...] = (),
) -> Experiment:
    """The experiment with what the command line overrides; None and empty leave the file's value.

    Raises:
        UnknownName: No such backend or source of cache misses.
        UsageError: A value cannot be used, a model file does not take the batch, a backend cannot be
            imported, or there are more threads than this process may use.
    """
    settings = experiment.settings
    if passes is not None:
        # Whoever names a number gets that number, also where a verdict stays open.
        settings = replace(settings, passes=passes, max_passes=passes)
    if budget_s is not None:
        settings = replace(settings, budget_s=budget_s)
    workloads, sample = experiment.workloads, experiment.cache_misses.callgrind_sample
    if batch is not None:
        workloads, sample = (
            tuple(dict.fromkeys(_with_batch(w, batch) for w in found)) for found in (workloads, sample)
        )
    if threads is None:
        threads = experiment.threads
    check_threads(threads)
    return replace(
        experiment,
        workloads=workloads,
        backends=known_backends(backends) or experiment.backends,
        threads=threads,
        settings=settings,
        cache_misses=replace(
            experiment.cache_misses,
            source=cache_misses or experiment.cache_misses.source,
            caches=caches or experiment.cache_misses.caches,
            callgrind_sample=() if cache_misses == "off" else sample,
        ),
    )


def _with_batch(workload: Workload, batch: int) -> Workload:
    if workload.kind == "file":
        check_model_file(Path(workload.name), workload.input_shape, batch)
    return replace(workload, input_shape=(batch, *workload.input_shape[1:]))
