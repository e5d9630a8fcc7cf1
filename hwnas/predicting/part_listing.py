"""Predicted latencies of the parts of a search space: each listed once, many together, by several processes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import torch

from hwnas.backends.protocol import Backend, Program
from hwnas.cache_misses.operators import operator_kind
from hwnas.core.errors import HwnasError, OutOfMemory
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS
from hwnas.core.kernel import Kernel
from hwnas.measuring.input_memory import check_input_memory
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_predictions import unseen_types
from hwnas.predicting.listing import listing_backend, many_kernels
from hwnas.predicting.processes_aside import Aside
from hwnas.workloads.build import fill_norms
from hwnas.workloads.randomness import generator
from hwnas.workloads.spaces.space import PartModule
from hwnas.workloads.structure import structure_digest

if TYPE_CHECKING:
    from hwnas.predicting.predictor import LatencyPredictor

_REORDER = "layout reorder"

#: Parts that are listed together: enough to share what each would cost, few enough to hold.
_AT_ONCE = 32
_SMALLER = "Give a smaller batch"

#: Kernels of each of some parts.
_Listed = list[tuple[KernelFacts, ...]]


class PartListing:
    """Lists parts that are asked for, and tells what they take. To be closed, as a context.

    Args:
        predictor: Of a backend that this host can list kernels for.
        batch: Images in one inference.
        processes: That list, this one among them. The others must be able to import the program that calls
            this, as every process that Python starts.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
    """

    def __init__(self, predictor: LatencyPredictor, batch: int, *, processes: int = 1) -> None:
        self._predictor, self._batch = predictor, batch
        self._runtime = listing_backend(predictor.backend)
        self._waiting: dict[str, PartModule] = {}
        self._known: dict[str, float] = {}
        #: Operator types that the predictor has not learned.
        self.unseen: set[str] = set()
        self._aside: Aside[dict[str, PartModule], _Listed] = Aside(processes - 1)

    def __enter__(self) -> PartListing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.close()

    def ask(self, part: PartModule) -> str:
        """A key for :meth:`seconds`.

        Raises:
            CellError: A part cannot be compiled.
            OutOfMemory: The inputs of a part do not fit into memory.
            UsageError: No computer counts the values of its inputs.
        """
        key = f"{structure_digest(part.module)} {part.input_shapes}"
        if key not in self._known and key not in self._waiting and not self._aside.has(key):
            self._waiting[key] = part
            if len(self._waiting) == _AT_ONCE:
                waiting, self._waiting = self._waiting, {}
                # Once they are listed, modules go: with their weights they are large.
                for parts, listed in self._aside.finished():
                    self._take(parts, listed)
                if not self._handed_over(waiting):
                    self._list(waiting)
        return key

    def seconds(self, key: str) -> float:
        """Latency of a part that was asked for [s].

        Raises:
            CellError: A part cannot be compiled.
            OutOfMemory: The inputs of a part do not fit into memory.
            UsageError: No computer counts the values of its inputs.
        """
        if key not in self._known:
            waiting, self._waiting = self._waiting, {}
            self._list(waiting)
            for parts in self._aside.taken_back():
                self._list(parts)
            for parts, listed in self._aside.results():
                self._take(parts, listed)
        return self._known[key]

    def _take(self, parts: Mapping[str, PartModule], listed: _Listed | None) -> None:
        """What another process has listed, or has left to this one."""
        if listed is None:
            self._list(parts)
        else:
            self._keep(parts, listed)

    def _handed_over(self, parts: dict[str, PartModule]) -> bool:
        if not self._aside.has_room:
            return False
        import cloudpickle  # the classes of a space of a notebook travel with it

        try:
            packed = cloudpickle.dumps(list(parts.values()))
        except (pickle.PicklingError, *FOREIGN_CODE_ERRORS):
            return False
        predictor = self._predictor
        geometries = tuple(predictor.kernel_model.geometries)
        asked = (packed, predictor.backend, predictor.threads, self._batch, geometries)
        return self._aside.submit(parts, _listed_aside, *asked)

    def _list(self, parts: Mapping[str, PartModule]) -> None:
        if not parts:
            return
        predictor = self._predictor
        geometries = predictor.kernel_model.geometries
        modules = list(parts.values())
        self._keep(parts, _listed(self._runtime, modules, predictor.threads, self._batch, geometries))

    def _keep(self, parts: Mapping[str, PartModule], listed: _Listed) -> None:
        predictor = self._predictor
        for key, facts in zip(parts, listed, strict=True):
            found = predictor.kernel_model.predict(facts)
            self.unseen.update(unseen_types(facts, found.sources))
            self._known[key] = float(predictor.network_model.kernel_times_s(found).sum())


def _listed_aside(
    packed: bytes, backend: str, threads: int, batch: int, geometries: Sequence[str]
) -> _Listed | None:
    """In a process of its own; None where a part cannot be read or listed: the first one then says why."""
    try:
        return _listed(listing_backend(backend), pickle.loads(packed), threads, batch, geometries)
    except (HwnasError, pickle.PickleError, *FOREIGN_CODE_ERRORS):
        return None


def _listed(
    runtime: Backend, parts: Sequence[PartModule], threads: int, batch: int, geometries: Sequence[str]
) -> _Listed:
    try:
        check_input_memory([(batch, *shape) for part in parts for shape in part.input_shapes], _SMALLER)
    except OutOfMemory:
        if len(parts) < 2:
            raise
        # Those that do not fit together do so in turn.
        half = len(parts) // 2
        few = (_listed(runtime, some, threads, batch, geometries) for some in (parts[:half], parts[half:]))
        return [facts for listed in few for facts in listed]
    listed = many_kernels(runtime, [_program(part, batch) for part in parts], threads, geometries)
    return [tuple(KernelFacts.of(k) for k in _between_reorders(kernels)) for kernels in listed]


def _program(part: PartModule, batch: int) -> Program:
    # As in whole networks: a compiler leaves out what adds nothing.
    fill_norms(part.module, generator(0))
    inputs = tuple(torch.zeros(batch, *shape) for shape in part.input_shapes)
    return Program(inputs, part.module.eval())


def _between_reorders(kernels: Sequence[Kernel]) -> Sequence[Kernel]:
    """Without the reorders by which a part is entered and left alone."""
    kept = [n for n, k in enumerate(kernels) if operator_kind(k.type) != _REORDER]
    return kernels[kept[0] : kept[-1] + 1] if kept else ()
