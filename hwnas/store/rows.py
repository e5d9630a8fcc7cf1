"""Measurements and workloads as rows of tables, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import pydantic_core

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import Counter
from hwnas.core.errors import UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import Measurement, Preparation, Status
from hwnas.core.workload import Workload
from hwnas.store.records import StoredMeasurement

_PREPARATION = tuple(f.name for f in fields(Preparation))
#: Fields of a measurement that are one column of the same name.
_PLAIN = tuple(
    f.name
    for f in fields(Measurement)
    if f.name not in ("group", "workload", "blocks", "preparation", "kernels", "counters")
)
#: Fields of a kernel and of a counter, each a column of its table.
KERNEL_COLUMNS = tuple(f.name for f in fields(Kernel))
COUNTER_COLUMNS = tuple(f.name for f in fields(Counter))
#: Durations are kept in whole nanoseconds; the longest is three centuries, to refuse nonsense.
_SHORTEST_S, _LONGEST_S = 0.5e-9, 1e10

#: Made once: a study stores a hundred thousand kernels, with two values of JSON each.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> str:
    """Compact JSON; NaN and infinities, which JSON does not have, become null."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_finite(value))


def from_json(text: str) -> Any:
    """What :func:`to_json` wrote, read several times as fast as the standard library does."""
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        # It refuses lone surrogates, which stand for the undecodable bytes of a file name.
        return json.loads(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def storable(text: str) -> str:
    """Text that every database and file can hold: what a crashed process printed may not be.

    PostgreSQL has no NUL character, and UTF-8 has no lone surrogates, which stand for the
    undecodable bytes of a file name.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def check(measurement: Measurement) -> None:
    """Refuse what cannot be a measurement.

    Raises:
        UsageError: Names the field and the value.
    """
    for name, value, lowest in (
        ("threads", measurement.threads, 1),
        ("pass_index", measurement.pass_index, 0),
        ("calls_per_sample", measurement.calls_per_sample, 1),
    ):
        if value < lowest:
            raise UsageError(f"measurement {measurement.uid!r}: {name} is {value}, below {lowest}")
    if measurement.status is Status.OK and not measurement.samples_s:
        raise UsageError(f"measurement {measurement.uid!r}: the status is ok, but there are no samples")
    for counter in measurement.counters:
        check_counter(counter, measurement.uid)
    for block in measurement.blocks:
        if not abs(block.start_s) < _LONGEST_S:
            raise UsageError(f"measurement {measurement.uid!r}: a block starts at {block.start_s} s")
        canaries = (*block.canary_before_s.values(), *block.canary_after_s.values())
        for what, values in (("sample", block.samples_s), ("canary", canaries)):
            wrong = [s for s in values if not _SHORTEST_S <= s < _LONGEST_S]
            if wrong:
                raise UsageError(f"measurement {measurement.uid!r}: a {what} of {wrong[0]} s is not a duration")


def check_canaries(values: Mapping[str, float]) -> None:
    """Refuse canary references [s] that are no durations.

    Raises:
        UsageError: Names the canary and the value.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"the canary {name!r} took {value} s, which is not a duration")


def check_json(measurement: Measurement) -> None:
    """Refuse values that JSON cannot hold; those that were read from JSON need no such check.

    Raises:
        UsageError: Says what cannot be stored.
    """
    try:
        to_json([dict(measurement.effective), [dict(k.attributes) for k in measurement.kernels]])
    except TypeError as error:
        raise UsageError(f"measurement {measurement.uid!r} cannot be stored: {error}") from error


def check_counter(counter: Counter, measurement_uid: str) -> None:
    """Refuse a count that no report could show.

    Raises:
        UsageError: Names the event and what is wrong.
    """
    what = f"measurement {measurement_uid!r}: the counter {counter.event!r}"
    if counter.value is None and not counter.reason:
        raise UsageError(f"{what} has no value and no reason")
    for name, value in (("value", counter.value), ("accesses", counter.accesses)):
        # Written so that it is false for NaN.
        if value is not None and not 0 <= value < math.inf:
            raise UsageError(f"{what} has {name} {value}")
    if counter.geometry is not None:
        try:
            CacheGeometry.of(counter.geometry)
        except UsageError as error:
            raise UsageError(f"{what}: {error.message}", error.hint) from error


def measurement_values(measurement: Measurement) -> dict[str, Any]:
    """Column values, without ids of other rows."""
    data = replace(measurement, kernels=(), counters=()).to_dict()
    elsewhere = ("workload", "kernels", "counters", "preparation", "group")
    return {
        **{name: value for name, value in data.items() if name not in elsewhere},
        **data["preparation"],
        "group_uid": measurement.group,
        "reason": storable(measurement.reason),
        "stop_reason": storable(measurement.stop_reason),
        "median_s": measurement.median_s,
        "sample_count": len(measurement.samples_s),
    }


def part_values(part: Kernel | Counter) -> dict[str, Any]:
    """Column values of a kernel or counter, without the measurement's id."""
    return {k: storable(v) if isinstance(v, str) else v for k, v in part.to_dict().items()}


def workload_values(workload: Workload, macs: int | None, parameters: int | None) -> dict[str, Any]:
    """Column values; `macs` and `parameters` where they are known."""
    shape = workload.input_shape
    return {
        "key": workload.key,
        "kind": workload.kind,
        "name": storable(workload.name),
        "batch": workload.batch,
        "depth": _whole(workload.params.get("depth")),
        "width": _whole(workload.params.get("width")),
        "resolution": shape[2] if len(shape) == 4 else None,
        "spec": workload.to_dict(),
        "macs": macs,
        "parameters": parameters,
    }


def _whole(value: Any) -> int | None:
    """A parameter as a column of integers can hold it; models may give theirs another type."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def to_stored(
    values: Mapping[Any, Any], kernels: Iterable[Kernel], counters: Iterable[Counter]
) -> StoredMeasurement:
    """The measurement of a row joined with its workload, environment and campaign.

    A row without the column ``blocks`` gives a measurement without samples.
    """
    data = {
        **{name: values[name] for name in _PLAIN},
        "group": values["group_uid"],
        "workload": values["spec"],
        "blocks": values.get("blocks", []),
        "preparation": {name: values[name] for name in _PREPARATION},
        "kernels": [],
    }
    return StoredMeasurement(
        measurement=replace(Measurement.from_dict(data), kernels=tuple(kernels), counters=tuple(counters)),
        environment=values["fingerprint"],
        campaign=values["campaign"],
        campaign_uid=values["campaign_uid"],
        macs=values["macs"],
        parameters=values["parameters"],
        median_s=values["median_s"],
        sample_count=values["sample_count"],
    )
