"""One arm of a group as the campaign sees it: a worker that holds a prepared network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwnas.backends.protocol import computing_device
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import Counter
from hwnas.core.errors import OutOfMemory
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import Agreement, Block, Preparation
from hwnas.core.units import format_bytes
from hwnas.core.workload import Workload
from hwnas.measuring.settings import Settings
from hwnas.measuring.worker_client import WorkerClient


class WorkerArm:
    """Prepares a network in a worker and times it in turns.

    Args:
        worker: A running worker.
        settings: The measuring protocol's parameters.
        memory_limit_bytes: The worker is killed above this resident size.
    """

    def __init__(self, worker: WorkerClient, settings: Settings, memory_limit_bytes: int | None) -> None:
        self._worker = worker
        self._settings = settings
        self._memory_limit = memory_limit_bytes
        self.preparation = Preparation()
        self.agreement: Agreement | None = None
        self.effective: dict[str, Any] = {}
        self.calls_per_sample = 1
        self.peak_memory_bytes: int | None = None
        self.kernels: tuple[Kernel, ...] = ()
        self.counters: tuple[Counter, ...] = ()

    def prepare(self, workload: Workload, blob: bytes, scratch: str) -> None:
        """Build, compile, prove agreement and warm up.

        Raises:
            CellError: The arm cannot run the network, or computes something else.
            UsageError: The model or its input is wrong.
        """
        answer = self._call(
            "prepare",
            blob=blob,
            workload=workload.to_dict(),
            scratch=scratch,
            warmup_s=self._settings.warmup_s,
            warmup_cap_s=self._settings.warmup_cap_s,
        )
        self.preparation = Preparation(**answer["preparation"])
        self.agreement = Agreement(**answer["agreement"])
        self.effective = answer["effective"]
        self.calls_per_sample = answer["calls_per_sample"]

    def turn(self, turn_s: float, block_s: float) -> list[Block]:
        """Time calls for about `turn_s`, at least one.

        Raises:
            CellError: The worker failed.
        """
        answer = self._call("turn", turn_s=turn_s, block_s=block_s)
        self.peak_memory_bytes = answer["peak_memory"]
        if self._memory_limit is not None and answer["peak_memory"] > self._memory_limit:
            raise OutOfMemory(
                f"the worker used {format_bytes(answer['peak_memory'])}, "
                f"more than its limit of {format_bytes(self._memory_limit)}",
                "Lower batch, width or resolution",
            )
        return [
            Block(round=0, **{**block, "samples_s": tuple(block["samples_s"])}) for block in answer["blocks"]
        ]

    def read_kernels(self, caches: Sequence[CacheGeometry] = ()) -> None:
        """Ask what really ran, how long each kernel takes in place and what it misses on these caches.

        After timing, since it disturbs.

        Raises:
            CellError: The worker failed.
        """
        answer = self._call("kernels", caches=[str(g) for g in caches])
        self.kernels = tuple(Kernel.from_dict(k) for k in answer["kernels"])

    def count(self, source: str, caches: Sequence[CacheGeometry]) -> None:
        """Add cache misses of one inference by ``pmu`` or ``model``, which need the network's process.

        Raises:
            CellError: The worker failed.
        """
        if source == "pmu":
            found = self._call("count", device=computing_device(self._worker.backend_id))
        else:
            found = self._call("model", caches=[str(g) for g in caches])
        self.counters += tuple(Counter.from_dict(c) for c in found["counters"])

    def release(self) -> None:
        """Let the worker forget the network.

        Raises:
            CellError: The worker failed.
        """
        self._call("release")

    def _call(self, command: str, **message: Any) -> dict[str, Any]:
        return self._worker.call(
            command, timeout_s=self._settings.cell_timeout_s, memory_limit_bytes=self._memory_limit, **message
        )
