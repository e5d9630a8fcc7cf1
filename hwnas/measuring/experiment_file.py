"""Experiment files: what a campaign measures, as YAML."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from hwnas.core.cache_geometry import check_cache
from hwnas.core.errors import UsageError
from hwnas.core.measurement import UNREPORTED_CAMPAIGNS
from hwnas.core.resources import find_data_file
from hwnas.core.workload import Workload
from hwnas.core.yaml_file import YamlFile
from hwnas.core.yaml_form import Form
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.experiment import Experiment, known_backends, model_workload
from hwnas.measuring.settings import Settings
from hwnas.workloads.models import parse_shape
from hwnas.workloads.patterns import pattern_workload


def _integers(value: Any) -> tuple[int, ...]:
    """A scalar or a list, as a list. One validator, where a union would name its branches to users."""
    values = value if isinstance(value, list) else [value]
    if not values or any(type(v) is not int for v in values):  # True is an int as well
        raise PydanticCustomError("integers", "input should be an integer or a list of integers")
    return tuple(values)


_Integers = Annotated[tuple[int, ...], PlainValidator(_integers)]


class _Sweep(Form):
    """One product of pattern parameters; scalars and lists both work."""

    patterns: list[str] = Field(min_length=1)
    depth: _Integers
    width: _Integers
    batch: _Integers = (1,)
    resolution: _Integers = (56,)
    kernel: _Integers = (3,)
    expansion: int | None = None
    groups: int | None = None


class _Model(Form):
    model: str
    input: str | None = None
    batch: _Integers | None = None


class _CacheMisses(Form):
    # YAML reads a bare `off` as false.
    source: Annotated[str, BeforeValidator(lambda v: "off" if v is False else v)] = "auto"
    caches: list[str] = Field(default=["host"], min_length=1)
    callgrind_sample: list[_Sweep] = Field(default_factory=list)


class _File(Form):
    title: str = ""
    backends: list[str] = Field(min_length=1)
    threads: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)  # what torch's generator takes
    sweeps: list[_Sweep] = Field(default_factory=list)
    models: list[_Model] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)  # Settings checks its own
    cache_misses: _CacheMisses = _CacheMisses()


def load_experiment(name: str) -> Experiment:
    """Read a shipped experiment by name, or a user's own YAML file.

    Raises:
        UnknownName: No such experiment.
        UsageError: The file cannot be read, or something in it is wrong; the message names file, line and key.
    """
    path = find_data_file("experiments", name, ".yaml")
    read = YamlFile.read(path, "See experiments/quick.yaml for the form")
    file = read.checked(_File)
    workloads: list[Workload] = []
    for index, sweep in enumerate(file.sweeps):
        with read.at("sweeps", index):
            workloads += _sweep(sweep, file.seed)
    for index, model in enumerate(file.models):
        with read.at("models", index):
            workloads += _models(model, file.seed)
    with read.at("backends"):
        backends = known_backends(file.backends)
    with read.at("settings"):
        settings = Settings.from_dict(file.settings)
    with read.at("cache_misses", "caches"):
        for cache in file.cache_misses.caches:
            _check_cache(cache)
    with read.at("cache_misses"):
        cache_misses = _cache_misses(file.cache_misses, file.seed, workloads)
    with read.at():
        if path.stem in UNREPORTED_CAMPAIGNS:
            raise UsageError(
                f"campaigns called {path.stem!r} are hwnas's own, and stay out of reports", "Rename the file"
            )
        if not workloads:
            raise UsageError("it names nothing to measure", "Add 'sweeps' or 'models'")
        return Experiment(
            name=path.stem,
            title=file.title,
            workloads=tuple(dict.fromkeys(workloads)),
            backends=backends,
            threads=file.threads,
            settings=settings,
            cache_misses=cache_misses,
        )


def _check_cache(cache: str) -> None:
    try:
        check_cache(cache)
    except UsageError as error:
        raise UsageError(f"cache_misses.caches: {error.message}", error.hint) from error


def _cache_misses(section: _CacheMisses, seed: int, workloads: Sequence[Workload]) -> CacheMisses:
    sample = [w for sweep in section.callgrind_sample for w in _sweep(sweep, seed)]
    stray = next((w for w in sample if w not in workloads), None)
    if stray is not None:
        raise UsageError(
            f"cache_misses.callgrind_sample names {stray.label}, which is in no sweep",
            "Name workloads that the file measures",
        )
    return CacheMisses(section.source, tuple(section.caches), tuple(dict.fromkeys(sample)))


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
    shape = None if model.input is None else parse_shape(model.input)
    batches: Sequence[int | None] = model.batch or (None,)
    return [model_workload(model.model, shape, batch, seed) for batch in batches]
