"""The latency table of a search space: every part in every combination of its choices, predicted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from hwnas.backends.protocol import Program
from hwnas.cache_misses.operators import operator_kind
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.listing import listing_backend, program_kernels
from hwnas.workloads.build import fill_norms
from hwnas.workloads.randomness import generator
from hwnas.workloads.spaces.space import Part, PartModule, Space

if TYPE_CHECKING:
    from hwnas.predicting.predictor import LatencyPredictor

_REORDER = "layout reorder"


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
    factors, constant_s = [], 0.0
    parts = space.parts()
    for number, part in enumerate(parts, 1):
        told(f"part {number} of {len(parts)}: {part.name}, {space.combination_count(part)} combinations")
        seconds = [listing.seconds(space.part_module(part, options)) for options in space.combinations(part)]
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
    """Predicted latencies of parts, each distinct one listed once."""

    def __init__(self, predictor: LatencyPredictor, batch: int) -> None:
        self._predictor, self._batch = predictor, batch
        self._runtime = listing_backend(predictor.backend)
        self._known: dict[str, float] = {}

    def seconds(self, part: PartModule | None) -> float:
        """Latency of a part [s]; 0 where nothing runs."""
        if part is None:
            return 0.0
        # A module's text says its layers with all that shapes them.
        key = f"{part.module!r} {part.input_shapes}"
        if key not in self._known:
            self._known[key] = self._listed(part)
        return self._known[key]

    def _listed(self, part: PartModule) -> float:
        inputs = tuple(torch.zeros(self._batch, *shape) for shape in part.input_shapes)
        # As in whole networks: a compiler leaves out what adds nothing.
        fill_norms(part.module, generator(0))
        program = Program(inputs, part.module.eval())
        geometries = self._predictor.kernel_model.geometries
        kernels = list(program_kernels(self._runtime, program, self._predictor.threads, geometries))
        while kernels and operator_kind(kernels[0].type) == _REORDER:
            kernels.pop(0)
        while kernels and operator_kind(kernels[-1].type) == _REORDER:
            kernels.pop()
        facts = [KernelFacts.of(k) for k in kernels]
        return float(self._predictor.kernel_times_s(facts).sum()) if facts else 0.0
