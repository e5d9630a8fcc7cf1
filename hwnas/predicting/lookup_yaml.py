"""Lookup tables of ProxylessNAS and Once-for-All: YAML, a mean latency for each block's key.

```yaml
# unit: ms
Conv-input:224x224x3-output:112x112x32:
  count: 982
  mean: 4.083755600814664
  var: 0.2502372872758427
```

Their programs state no unit. hwnas does, in a comment that they skip, and guesses none.
"""

from __future__ import annotations

import heapq
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.yaml_file import YamlFile
from hwnas.predicting.block_key import BlockKey
from hwnas.predicting.latency_table import Factor, LatencyTable

__all__ = ["BlockKey", "LookupEntry", "LookupTable"]

#: The units that a table may have, and how many of them are a second.
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

#: The safe dumper, the one in C where PyYAML has it: large tables take seconds otherwise.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

#: In the order in which such files have them.
_FIELDS = ("count", "mean", "var")
#: The comment that states the unit, before the first key; other comments and empty lines may stand before it.
_STATED = re.compile(r"(?:[ \t]*(?:#.*)?\n|---[ \t]*\n)*?[ \t]*# *unit: *(\w+) *$", re.MULTILINE)


@dataclass(frozen=True)
class LookupEntry:
    """What a table says of one block, in the table's unit."""

    mean: float
    count: int | None = None  #: of the measurements behind it
    var: float | None = None  #: in the square of the unit


class LookupTable:
    """Latencies of blocks by their keys (:class:`BlockKey`).

    Numbers are kept in the table's unit, so that reading and writing change no digit.

    Args:
        entries: Key -> entry.
        unit: One of :data:`UNITS`.

    Raises:
        UnknownName: There is no such unit.
        UsageError: A mean is negative, NaN or infinite.
    """

    def __init__(self, entries: Mapping[str, LookupEntry], unit: str) -> None:
        if unit not in UNITS:
            raise UnknownName("unit of time", unit, UNITS)
        for key, entry in entries.items():
            _check_mean(key, entry.mean)
        self.entries = dict(entries)
        self.unit = unit

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def latency_s(self, key: str) -> float:
        """Mean latency of a block [s].

        Raises:
            UnknownName: The table does not have it; close keys are listed.
        """
        if key not in self.entries:
            raise UnknownName("key of the lookup table", key, self._alike(key) or self.entries)
        return self.entries[key].mean / UNITS[self.unit]

    def _alike(self, key: str) -> list[str]:
        """Some keys of the same kind with the same beginning: comparing all of a large table takes seconds."""
        kind = key.partition(":")[0]
        same = [known for known in self.entries if known.partition(":")[0] == kind]
        return heapq.nlargest(100, same, key=lambda known: len(os.path.commonprefix([known, key])))  # noqa: RUF071

    def factor(self, name: str, choices: str | Sequence[str], keys: Sequence[Any]) -> Factor:
        """A factor of a :class:`LatencyTable` whose seconds are those of blocks.

        Args:
            name: Of the factor.
            choices: What it depends on.
            keys: One key for each combination of options, nested in the order of `choices`. None stands for
                an option without a block, which takes no time.

        Raises:
            UnknownName: The table lacks a key.
            UsageError: The keys are not nested as deep as there are choices.
        """
        return Factor(name, choices, self._seconds(keys), keys)

    def _seconds(self, keys: Sequence[Any]) -> list[Any]:
        return [
            0.0 if key is None else self.latency_s(key) if isinstance(key, str) else self._seconds(key)
            for key in keys
        ]

    @classmethod
    def from_latency_table(cls, table: LatencyTable, unit: str, *, leave_out: Collection[str] = ()) -> Self:
        """The blocks of a latency table, whose factors must have keys; the constant is left out.

        Seconds come back exactly in unit ``"s"``; in another they are rounded once, in the last digit.

        Args:
            table: Such as that of a predictor for a space of the kind ``mbconv``.
            unit: One of :data:`UNITS`.
            leave_out: Names of factors that are not wanted.

        Raises:
            UnknownName: There is no such unit, or no factor to leave out.
            UsageError: The table is not of single images, a factor has no keys, a key has two latencies, or an
                entry without a key takes time.
        """
        if unit not in UNITS:
            raise UnknownName("unit of time", unit, UNITS)
        if table.batch != 1:
            raise UsageError(
                f"the latency table is of batches of {table.batch} images, which no key of this format tells",
                "Make one of single images: predictor.table(space, batch=1)",
            )
        found: dict[str, float] = {}
        for where, key, seconds in _keyed(table, leave_out):
            if key is None and seconds:
                raise UsageError(f"{where} has an entry of {seconds} s without a key", "Give it one")
            if key is not None and found.setdefault(key, seconds) != seconds:
                raise UsageError(
                    f"key {key!r} has two latencies, {found[key]} s and {seconds} s ({where})",
                    "A lookup table holds one: take their mean in the latency table",
                )
        if not found:
            raise UsageError("the latency table has no factors that could have keys", "Give another table")
        return cls({key: LookupEntry(seconds * UNITS[unit]) for key, seconds in found.items()}, unit)

    @classmethod
    def load(cls, path: str | Path, unit: str | None = None) -> Self:
        """Read a YAML file: for each key a mean and, if known, count and var. Other fields are left out.

        Args:
            path: The file.
            unit: One of :data:`UNITS`; needed where the file does not state it, as those of ProxylessNAS and
                Once-for-All, which are in ``"ms"``.

        Raises:
            UsageError: The file cannot be read, its unit is unknown or another one, or a value is wrong; the
                message names file, line and key.
        """
        file = YamlFile.read(Path(path), "Give a lookup table: a mapping of keys to latencies")
        unit = _unit(path, unit, _STATED.match(file.text))
        entries = {}
        for key, fields in file.values.items():
            with file.at(key):
                entries[key] = _entry(key, fields)
                _check_mean(key, entries[key].mean)
        with file.at():
            return cls(entries, unit)

    def save(self, path: str | Path) -> None:
        """Write a YAML file that :meth:`load` and programs of ProxylessNAS and Once-for-All read.

        Raises:
            UsageError: The file cannot be written.
        """
        rows = {
            key: {name: value for name in _FIELDS if (value := getattr(entry, name)) is not None}
            for key, entry in self.entries.items()
        }
        text = yaml.dump(rows, Dumper=_DUMPER, sort_keys=False, default_flow_style=False, allow_unicode=True)
        try:
            Path(path).write_text(f"# unit: {self.unit}\n{text}", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written ({error.strerror or error})", "Give another file"
            ) from error


def _keyed(table: LatencyTable, leave_out: Collection[str]) -> Iterator[tuple[str, str | None, float]]:
    """Factor, key and seconds of each entry.

    Raises:
        UnknownName: There is no factor to leave out.
        UsageError: A factor has no keys.
    """
    factors = {factor.name: factor for factor in table.factors}
    for name in leave_out:
        if name not in factors:
            raise UnknownName("factor of the latency table", name, factors)
        del factors[name]
    without = [name for name, factor in factors.items() if factor.keys is None]
    if without:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        raise UsageError(
            f"{', '.join(without[:3])}{more} of the latency table have no key in this format, which knows "
            "inverted bottlenecks, convolutions, pooling and logits",
            "Save the table as JSON, table.save(path), or name them in leave_out",
        )
    for name, factor in factors.items():
        for key, seconds in zip(factor.keys or (), factor.seconds.reshape(-1).tolist(), strict=True):
            yield f"factor {name!r}", key, seconds


def _unit(path: str | Path, given: str | None, stated: re.Match[str] | None) -> str:
    if stated is None and given is None:
        raise UsageError(
            f"{path} does not state its unit", 'Give it, such as LookupTable.load(path, unit="ms")'
        )
    if stated is not None and given is not None and stated[1] != given:
        raise UsageError(f"{path} states the unit {stated[1]!r}, not {given!r}", "Leave the unit out")
    return given or (stated[1] if stated else "")


def _check_mean(key: str, mean: float) -> None:
    if not (math.isfinite(mean) and mean >= 0):
        raise UsageError(f"key {key!r} has the mean {mean}", "Give finite latencies, at least 0")


def _entry(key: Any, fields: Any) -> LookupEntry:
    if not isinstance(key, str) or not isinstance(fields, dict) or fields.get("mean") is None:
        raise UsageError(f"key {key!r} has no mean", "Give each key its mean, and count and var if known")
    count, var = fields.get("count"), fields.get("var")
    return LookupEntry(
        mean=_number(key, "mean", fields["mean"]),
        count=None if count is None else int(_number(key, "count", count)),
        var=None if var is None else _number(key, "var", var),
    )


def _number(key: str, field: str, value: Any) -> float:
    try:
        # A number like 1e-05, without a point, is text to YAML 1.1.
        number = math.nan if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"key {key!r} has the {field} {value!r}", "Give a finite number")
    return number
