"""Experiment files: what a campaign measures, as YAML."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from hwnas.backends.model_file import check_model_file
from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.core.resources import find_data_file
from hwnas.core.workload import Workload
from hwnas.host.cpus import usable_threads
from hwnas.measuring.settings import Settings
from hwnas.workloads.files import SUFFIXES
from hwnas.workloads.models import parse_model, parse_shape
from hwnas.workloads.patterns import pattern_workload


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
    """

    name: str
    title: str
    workloads: tuple[Workload, ...]
    backends: tuple[str, ...]
    threads: int
    settings: Settings

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


def _integers(value: Any) -> list[int]:
    """A scalar or a list, as a list. One validator, where a union would name its branches to users."""
    values = value if isinstance(value, list) else [value]
    if not values or any(type(v) is not int for v in values):  # True is an int as well
        raise PydanticCustomError("integers", "input should be an integer or a list of integers")
    return values


_Integers = Annotated[list[int], PlainValidator(_integers)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Sweep(_Strict):
    """One product of pattern parameters; scalars and lists both work."""

    patterns: list[str] = Field(min_length=1)
    depth: _Integers
    width: _Integers
    batch: _Integers = [1]
    resolution: _Integers = [56]
    kernel: _Integers = [3]
    expansion: int | None = None
    groups: int | None = None


class _Model(_Strict):
    model: str
    input: str | None = None
    batch: _Integers | None = None


class _File(_Strict):
    title: str = ""
    backends: list[str] = Field(min_length=1)
    threads: int = Field(default=1, ge=1)
    seed: int = 0
    sweeps: list[_Sweep] = []
    models: list[_Model] = []
    settings: dict[str, Any] = {}  # Settings checks its own


_SECTIONS: dict[str, type[_Strict]] = {"sweeps": _Sweep, "models": _Model}


def load_experiment(name: str) -> Experiment:
    """Read a shipped experiment by name, or a user's own YAML file.

    Raises:
        UnknownName: No such experiment, pattern, model, backend, setting or key.
        UsageError: The file cannot be read, or a value in it is wrong; the message names file and key.
    """
    path = find_data_file("experiments", name, ".yaml")
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", "Give a readable YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{where}: not valid YAML", "Correct the syntax") from error
    except ValueError as error:
        # PyYAML reads what looks like a date as one, and a date may be impossible.
        raise UsageError(f"{path}: {error}", "Put text that looks like a date in quotes") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: not a mapping of keys to values", "See experiments/quick.yaml for the form")
    try:
        return _experiment(path, data)
    except HwnasError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from error


def _experiment(path: Path, data: Mapping[str, Any]) -> Experiment:
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise _plain(error) from error
    if not file.sweeps and not file.models:
        raise UsageError("it names nothing to measure", "Add 'sweeps' or 'models'")
    workloads = [w for sweep in file.sweeps for w in _sweep(sweep, file.seed)]
    workloads += [w for model in file.models for w in _models(model, file.seed)]
    return Experiment(
        name=path.stem,
        title=file.title,
        workloads=tuple(dict.fromkeys(workloads)),
        backends=_backends(file.backends),
        threads=file.threads,
        settings=Settings.from_dict(file.settings),
    )


def _plain(error: ValidationError) -> HwnasError:
    """The first fault of a file as one line that names the key."""
    fault = error.errors()[0]
    # pydantic marks the key of a mapping with "[key]".
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        section = str(fault["loc"][0]) if len(fault["loc"]) > 1 else ""
        model = _SECTIONS.get(section, _File)
        return UnknownName("key", str(fault["loc"][-1]), model.model_fields)
    return UsageError(f"key {key}: {fault['msg'].lower()} (found {fault['input']!r})", "Correct the value")


def _sweep(sweep: _Sweep, seed: int) -> list[Workload]:
    axes = [sweep.depth, sweep.width, sweep.batch, sweep.resolution, sweep.kernel]
    options = {k: v for k, v in (("expansion", sweep.expansion), ("groups", sweep.groups)) if v is not None}
    return [
        pattern_workload(
            pattern,
            depth=depth,
            width=width,
            batch=batch,
            resolution=resolution,
            kernel=kernel,
            seed=seed,
            **options,
        )
        for pattern, (depth, width, batch, resolution, kernel) in itertools.product(
            sweep.patterns, itertools.product(*axes)
        )
    ]


def _models(model: _Model, seed: int) -> list[Workload]:
    shape = parse_shape(model.input) if model.input else None
    batches: Sequence[int | None] = model.batch or (None,)
    return [_model(model.model, shape, batch, seed) for batch in batches]


def _model(text: str, shape: tuple[int, ...] | None, batch: int | None, seed: int) -> Workload:
    if text.lower().endswith(SUFFIXES):
        # OpenVINO reads the file; the layer of workloads does not know any runtime.
        shape, batch = check_model_file(Path(text), shape, batch), None
    return parse_model(text, input_shape=shape, batch=batch, seed=seed)


def _backends(names: Iterable[str]) -> tuple[str, ...]:
    """Full ids, each once; a third party's backend that cannot be imported is refused here, in one line."""
    ids = tuple(dict.fromkeys(BACKENDS.resolve(name) for name in names))
    for full in ids:
        backend(full)
    return ids


def check_threads(threads: int) -> None:
    """Refuse threads that cannot run at once: they would wait for each other, which no latency means.

    Raises:
        UsageError: Fewer than one, or more than this process may use.
    """
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
    shape = parse_shape(input_text) if input_text else None
    workloads = tuple(_model(m, shape, batch, seed=0) for m in models)
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
) -> Experiment:
    """The experiment with what the command line overrides; None and empty leave the file's value.

    Raises:
        UnknownName: No such backend.
        UsageError: A value cannot be used, a model file does not take the batch, a backend cannot be
            imported, or there are more threads than this process may use.
    """
    settings = experiment.settings
    if passes is not None:
        # Whoever names a number gets that number, also where a verdict stays open.
        settings = replace(settings, passes=passes, max_passes=passes)
    if budget_s is not None:
        settings = replace(settings, budget_s=budget_s)
    workloads = experiment.workloads
    if batch is not None:
        workloads = tuple(dict.fromkeys(_with_batch(w, batch) for w in experiment.workloads))
    if threads is None:
        threads = experiment.threads
    check_threads(threads)
    return replace(
        experiment,
        workloads=workloads,
        backends=_backends(backends) or experiment.backends,
        threads=threads,
        settings=settings,
    )


def _with_batch(workload: Workload, batch: int) -> Workload:
    if workload.kind == "file":
        check_model_file(Path(workload.name), workload.input_shape, batch)
    return replace(workload, input_shape=(batch, *workload.input_shape[1:]))
