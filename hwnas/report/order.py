"""The order and the names in which people meet networks and backends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from hwnas.backends.registry import BACKENDS
from hwnas.core.workload import KINDS, Workload
from hwnas.workloads.models import model_name
from hwnas.workloads.patterns import PATTERNS

if TYPE_CHECKING:
    from hwnas.report.cells import Cell

Axis = Literal["depth", "width"]

#: Parameters that have a column or an axis of their own.
_AXES: tuple[Axis, ...] = ("depth", "width")
_DIGITS = 8
_MOST_CHARACTERS = 47
_HALF = 22


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Patterns as the study lists them, then other networks; by size, then by backend as the registry does."""
    # Registries look through every installed package: ask them once, not for every cell.
    patterns, backends = list(PATTERNS), BACKENDS.names()

    def key(cell: Cell) -> tuple[Any, ...]:
        w = cell.workload
        return (
            KINDS.index(w.kind),
            _place(w.name, patterns),
            w.input_shape[2:] or w.input_shape[1:],
            sorted((k, str(v)) for k, v in w.params.items() if k not in _AXES),
            w.seed,
            *(number(w, axis) or 0 for axis in _AXES),
            w.batch,
            w.key,
            cell.threads,
            _place(cell.backend, backends),
        )

    return sorted(cells, key=key)


def backends_in_order(backends: Iterable[str]) -> list[str]:
    """Each backend once, as the registry lists them; those that are no longer installed come last."""
    known = BACKENDS.names()
    return sorted(set(backends), key=lambda name: _place(name, known))


def _place(name: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known), name)


def number(workload: Workload, axis: Axis) -> int | None:
    """The workload's ``depth`` or ``width``, or None where it has none."""
    value = workload.params.get(axis)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def image(workload: Workload) -> str:
    """Height and width of the input, ``56x56``; the whole shape where the input is no image."""
    shape = workload.input_shape
    return "x".join(str(d) for d in (shape[2:] if len(shape) == 4 else shape[1:]))


def network_names(workloads: Iterable[Workload]) -> dict[str, str]:
    """A name for each workload, by key; depth, width, batch and input are told elsewhere.

    Parameters appear where two workloads of one name differ in them: ``grouped groups=4``.
    """
    families: dict[str, dict[str, Workload]] = defaultdict(dict)
    for workload in workloads:
        families[_family(workload)][workload.key] = workload
    names = {}
    for family, members in families.items():
        traits = {key: _traits(w) for key, w in members.items()}
        keys = dict.fromkeys(k for t in traits.values() for k in t)
        telling = [k for k in keys if len({t.get(k) for t in traits.values()}) > 1]
        for key, own in traits.items():
            names[key] = " ".join([family, *(f"{k}={own[k]}" for k in telling if k in own)])
    return names


def title(name: str) -> str:
    """A network's name as words; one that says where the network comes from stays as it is."""
    return name.replace("_", " ") if ":" not in name else name


def shortened(name: str) -> str:
    """A name that fits beside a bar: what is left out of a long one is its middle."""
    return name if len(name) <= _MOST_CHARACTERS else f"{name[:_HALF]} … {name[-_HALF:]}"


def lines_of(name: str) -> list[str]:
    """A name in lines that fit beside a bar: of a long one, what follows its first comma stands below."""
    return [name] if len(name) <= _MOST_CHARACTERS else [shortened(part) for part in name.split(", ", 1)]


def sized_name(name: str, workload: Workload) -> str:
    """A name with the sizes that a workload has: ``depthwise bottleneck, depth 50, width 64, batch 8``."""
    sizes = [f"{axis} {value}" for axis in _AXES if (value := number(workload, axis))]
    batch = [f"batch {workload.batch}"] if workload.batch > 1 else []
    return ", ".join([title(name), *sizes, *batch])


def _family(workload: Workload) -> str:
    return PurePath(workload.name).name if workload.kind == "file" else model_name(workload)


def _traits(workload: Workload) -> dict[str, str]:
    traits = {k: str(v) for k, v in workload.params.items() if k not in _AXES}
    # A digest tells two versions of a model apart by its first digits.
    short = {k: v[:_DIGITS] if k in ("digest", "sha256") else v for k, v in traits.items()}
    return {**short, "seed": str(workload.seed)}


def short_backends(backends: Sequence[str]) -> dict[str, str]:
    """The shortest first part of each id that stands for it alone, as the command line takes it."""
    known = {*BACKENDS.names(), *backends}
    short = {}
    for name in backends:
        parts = name.split(":")
        starts = (":".join(parts[:n]) for n in range(1, len(parts)))
        short[name] = next((s for s in starts if sum(k.startswith(f"{s}:") for k in known) == 1), name)
    return short
