"""The latency table of a search space: every part in every combination of its choices, predicted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from hwnas.backends.protocol import Program
from hwnas.cache_misses.operators import operator_kind
from hwnas.core.kernel import Kernel
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_predictions import unseen_types
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.listing import listing_backend, many_kernels
from hwnas.predicting.part_keys import pieces_of, with_squeezing
from hwnas.predicting.table_correction import correction
from hwnas.workloads.build import fill_norms
from hwnas.workloads.randomness import generator
from hwnas.workloads.spaces.space import Part, PartModule, Space
from hwnas.workloads.structure import structure_digest

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
    whole_networks: int = 20,
    told: Callable[[str], None] = lambda text: None,
) -> LatencyTable:
    """Predict every part of a space.

    A part is listed by itself: the reorders by which it would be entered and left alone are not in the network
    and are left out. Parts that are the same module on the same shapes are listed once. Some architectures are
    then predicted as a whole, and a factor brings the table to them.

    Args:
        predictor: Of a backend that this host can list kernels for.
        space: What to tabulate.
        batch: Images in one inference.
        whole_networks: Architectures that are predicted as a whole; 0 leaves the table as it is.
        told: Called with what is being done, and with operators that were never seen in training.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
        CellError: A part cannot be compiled.
    """
    listing = _Listing(predictor, batch)
    squeezing = with_squeezing(space)
    parts = space.parts()
    asked: list[list[_Pieces]] = []
    for number, part in enumerate(parts, 1):
        told(f"part {number} of {len(parts)}: {part.name}, {space.combination_count(part)} combinations")
        modules = [space.part_module(part, options) for options in space.combinations(part)]
        asked.append([_asked(listing, module, squeezing=squeezing) for module in modules])
    factors: list[Factor] = []
    constant_s = 0.0
    for part, combinations in zip(parts, asked, strict=True):
        if part.choices:
            factors += _factors(space, part, combinations, listing)
        else:
            constant_s += sum(listing.seconds(place) for place, _ in combinations[0].values())
    if listing.unseen:
        told(f"never seen in training, and guessed from other kernels: {', '.join(sorted(listing.unseen))}")
    table = _table(predictor, space, factors, constant_s, batch, None)
    found = correction(predictor, space, table, whole_networks, told) if whole_networks else None
    if found is None:
        return table
    factors = [Factor(f.name, f.choices, found.factor * f.seconds, f.keys) for f in table.factors]
    return _table(predictor, space, factors, found.factor * constant_s, batch, found.deviation)


#: Name of a piece -> where its latency is found, and its key in lookup tables.
_Pieces = dict[str, tuple[str, str | None]]


def _asked(listing: _Listing, part: PartModule | None, *, squeezing: bool) -> _Pieces:
    if part is None:
        return {}
    return {p.name: (listing.ask(p.part), p.key) for p in pieces_of(part, squeezing=squeezing)}


def _factors(space: Space, part: Part, combinations: Sequence[_Pieces], listing: _Listing) -> Iterator[Factor]:
    """One for each piece of a part: nearly always one."""
    shape = [len(space.choice(name).options) for name in part.choices]
    for name in dict.fromkeys(name for own in combinations for name in own):
        seconds = [listing.seconds(own[name][0]) if name in own else 0.0 for own in combinations]
        keys = [own[name][1] if name in own else None for own in combinations]
        yield Factor(
            f"{part.name} {name}".strip(),
            part.choices,
            torch.tensor(seconds, dtype=torch.float64).reshape(shape),
            keys if any(keys) else None,
        )


def _table(
    predictor: LatencyPredictor,
    space: Space,
    factors: Sequence[Factor],
    constant_s: float,
    batch: int,
    deviation: float | None,
) -> LatencyTable:
    return LatencyTable(
        {choice.name: choice.options for choice in space.choices},
        factors,
        constant_s,
        backend=predictor.backend,
        host=f"{predictor.environment.cpu_model} ({predictor.environment.fingerprint})",
        batch=batch,
        deviation=deviation,
    )


class _Listing:
    """Predicted latencies of parts, each distinct one listed once, and many of them together."""

    def __init__(self, predictor: LatencyPredictor, batch: int) -> None:
        self._predictor, self._batch = predictor, batch
        self._runtime = listing_backend(predictor.backend)
        self._waiting: dict[str, PartModule] = {}
        self._known: dict[str, float] = {}
        #: Operator types that the predictor has not learned.
        self.unseen: set[str] = set()

    def ask(self, part: PartModule) -> str:
        """A key for :meth:`seconds`."""
        key = f"{structure_digest(part.module)} {part.input_shapes}"
        if key not in self._known and key not in self._waiting:
            self._waiting[key] = part
            if len(self._waiting) == _AT_ONCE:
                self._list()
        return key

    def seconds(self, key: str) -> float:
        """Latency of a part that was asked for [s]."""
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
            found = predictor.kernel_model.predict(facts)
            self.unseen.update(unseen_types(facts, found.sources))
            self._known[key] = float(predictor.network_model.kernel_times_s(found).sum())

    def _program(self, part: PartModule) -> Program:
        # As in whole networks: a compiler leaves out what adds nothing.
        fill_norms(part.module, generator(0))
        inputs = tuple(torch.zeros(self._batch, *shape) for shape in part.input_shapes)
        return Program(inputs, part.module.eval())


def _between_reorders(kernels: Sequence[Kernel]) -> Sequence[Kernel]:
    """Without the reorders by which a part is entered and left alone."""
    kept = [n for n, k in enumerate(kernels) if operator_kind(k.type) != _REORDER]
    return kernels[kept[0] : kept[-1] + 1] if kept else ()
