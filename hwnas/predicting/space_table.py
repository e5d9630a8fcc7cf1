"""The latency table of a search space: every part in every combination of its choices, predicted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from hwnas.backends.protocol import Program
from hwnas.cache_misses.operators import operator_kind
from hwnas.core.kernel import Kernel
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.listing import listing_backend, many_kernels
from hwnas.workloads.build import fill_norms
from hwnas.workloads.randomness import generator
from hwnas.workloads.spaces.space import Part, PartModule, Space

if TYPE_CHECKING:
    from hwnas.predicting.predictor import LatencyPredictor

_REORDER = "layout reorder"

#: Parts that are listed together: enough to share what each would cost, few enough to hold.
_AT_ONCE = 32


def space_table(
    predictor: LatencyPredictor,
    space: Space,
    *,
    batch: int = 1,
    told: Callable[[str], None] = lambda text: None,
) -> LatencyTable:
    """Predict every part of a space.

    A part is listed by itself: the reorders by which it would be entered and left alone are not in the network
    and are left out. Parts that are the same module on the same shapes are listed once.

    Args:
        predictor: Of a backend that this host can list kernels for.
        space: What to tabulate.
        batch: Images in one inference.
        told: Called with what is being done.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
        CellError: A part cannot be compiled.
    """
    listing = _Listing(predictor, batch)
    parts = space.parts()
    asked = []
    for number, part in enumerate(parts, 1):
        told(f"part {number} of {len(parts)}: {part.name}, {space.combination_count(part)} combinations")
        asked.append([listing.ask(space.part_module(part, options)) for options in space.combinations(part)])
    factors, constant_s = [], 0.0
    for part, keys in zip(parts, asked, strict=True):
        seconds = [listing.seconds(key) for key in keys]
        if not part.choices:
            constant_s += seconds[0]
            continue
        factors.append(_factor(space, part, seconds))
    return LatencyTable(
        {choice.name: choice.options for choice in space.choices},
        factors,
        constant_s,
        backend=predictor.backend,
        host=f"{predictor.environment.cpu_model} ({predictor.environment.fingerprint})",
        batch=batch,
    )


def _factor(space: Space, part: Part, seconds: list[float]) -> Factor:
    shape = [len(space.choice(name).options) for name in part.choices]
    return Factor(part.name, part.choices, torch.tensor(seconds, dtype=torch.float64).reshape(shape))


class _Listing:
    """Predicted latencies of parts, each distinct one listed once, and many of them together."""

    def __init__(self, predictor: LatencyPredictor, batch: int) -> None:
        self._predictor, self._batch = predictor, batch
        self._runtime = listing_backend(predictor.backend)
        self._waiting: dict[str, PartModule] = {}
        self._known: dict[str, float] = {}

    def ask(self, part: PartModule | None) -> str | None:
        """A key for :meth:`seconds`, or None where nothing runs."""
        if part is None:
            return None
        # A module's text says its layers with all that shapes them.
        key = f"{part.module!r} {part.input_shapes}"
        if key not in self._known and key not in self._waiting:
            self._waiting[key] = part
            if len(self._waiting) == _AT_ONCE:
                self._list()
        return key

    def seconds(self, key: str | None) -> float:
        """Latency of a part that was asked for [s]; 0 where nothing runs."""
        if key is None:
            return 0.0
        if key in self._waiting:
            self._list()
        return self._known[key]

    def _list(self) -> None:
        predictor, waiting = self._predictor, dict(self._waiting)
        self._waiting.clear()
        listed = many_kernels(
            self._runtime,
            [self._program(part) for part in waiting.values()],
            predictor.threads,
            predictor.kernel_model.geometries,
        )
        for key, kernels in zip(waiting, listed, strict=True):
            facts = [KernelFacts.of(k) for k in _between_reorders(kernels)]
            self._known[key] = float(predictor.kernel_times_s(facts).sum()) if facts else 0.0

    def _program(self, part: PartModule) -> Program:
        # As in whole networks: a compiler leaves out what adds nothing.
        fill_norms(part.module, generator(0))
        inputs = tuple(torch.zeros(self._batch, *shape) for shape in part.input_shapes)
        return Program(inputs, part.module.eval())


def _between_reorders(kernels: Sequence[Kernel]) -> Sequence[Kernel]:
    """Without the reorders by which a part is entered and left alone."""
    kept = [n for n, k in enumerate(kernels) if operator_kind(k.type) != _REORDER]
    return kernels[kept[0] : kept[-1] + 1] if kept else ()
