"""Experiment files: what a campaign measures, as YAML."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.core.resources import find_data_file
from hwnas.core.workload import Workload
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.experiment import Experiment, known_backends, model_workload
from hwnas.measuring.settings import Settings
from hwnas.workloads.models import parse_shape
from hwnas.workloads.patterns import pattern_workload


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


class _CacheMisses(_Strict):
    # YAML reads a bare `off` as false.
    source: Annotated[str, BeforeValidator(lambda v: "off" if v is False else v)] = "auto"
    caches: list[str] = Field(default=["host"], min_length=1)
    callgrind_sample: list[_Sweep] = []


class _File(_Strict):
    title: str = ""
    backends: list[str] = Field(min_length=1)
    threads: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)  # what torch's generator takes
    sweeps: list[_Sweep] = []
    models: list[_Model] = []
    settings: dict[str, Any] = {}  # Settings checks its own
    cache_misses: _CacheMisses = _CacheMisses()


_SECTIONS: dict[str, type[_Strict]] = {"sweeps": _Sweep, "models": _Model, "cache_misses": _CacheMisses}


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
        backends=known_backends(file.backends),
        threads=file.threads,
        settings=Settings.from_dict(file.settings),
        cache_misses=_cache_misses(file.cache_misses, file.seed, workloads),
    )


def _cache_misses(section: _CacheMisses, seed: int, workloads: Sequence[Workload]) -> CacheMisses:
    sample = [w for sweep in section.callgrind_sample for w in _sweep(sweep, seed)]
    stray = next((w for w in sample if w not in workloads), None)
    if stray is not None:
        raise UsageError(
            f"cache_misses.callgrind_sample names {stray.label}, which is in no sweep",
            "Name workloads that the file measures",
        )
    return CacheMisses(section.source, tuple(section.caches), tuple(dict.fromkeys(sample)))


def _plain(error: ValidationError) -> HwnasError:
    """The first fault of a file as one line that names the key."""
    fault = error.errors()[0]
    # pydantic marks the key of a mapping with "[key]".
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        section = str(fault["loc"][0]) if len(fault["loc"]) > 1 else ""
        model = _Sweep if "callgrind_sample" in fault["loc"][1:-1] else _SECTIONS.get(section, _File)
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
    return [model_workload(model.model, shape, batch, seed) for batch in batches]
