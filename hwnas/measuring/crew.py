"""The workers of one pass: started when first needed, replaced when they die, ended together."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import BackendUnavailable
from hwnas.core.workload import Workload
from hwnas.host.cpus import measuring_cpus, usable_threads
from hwnas.measuring.reference import reference_path
from hwnas.measuring.worker_client import WorkerClient

_REFEREE = "the reference"
_REFEREE_BACKEND = "torch:cpu:fp32"


class Crew:
    """One worker an arm, and one that computes reference outputs.

    Args:
        threads: Threads of every arm.
        start_timeout_s: Longest time for a worker to import its runtime.
    """

    def __init__(self, threads: int, start_timeout_s: float) -> None:
        self._threads = threads
        self._start_timeout_s = start_timeout_s
        self._workers: dict[str, WorkerClient] = {}
        self._unavailable: dict[str, tuple[str, str]] = {}
        #: CPUs that the arms are bound to, or None.
        self.cpus = measuring_cpus(threads)
        #: Seconds inside worker commands so far, by command, those of ended workers included.
        self.command_s: dict[str, float] = {}

    def worker(self, backend_id: str) -> WorkerClient:
        """The arm's running worker.

        Raises:
            BackendUnavailable: This host cannot run the backend; asked once a pass.
            CellError: A new worker did not come up.
        """
        if backend_id in self._unavailable:
            raise BackendUnavailable(*self._unavailable[backend_id])
        try:
            return self._running(backend_id, backend_id, self._threads, self.cpus)
        except BackendUnavailable as error:
            self._unavailable[backend_id] = (error.message, error.hint)
            raise

    def referee(self) -> WorkerClient:
        """The worker that computes reference outputs; it is never timed, so it may use every CPU.

        Raises:
            CellError: A new worker did not come up.
        """
        return self._running(_REFEREE, _REFEREE_BACKEND, usable_threads(), None)

    def ensure_reference(
        self, workload: Workload, blob: bytes, scratch: Path, timeout_s: float, memory_limit: int | None = None
    ) -> None:
        """Compute the outputs that every arm is compared with, unless they are there or there are none.

        Raises:
            CellError: They could not be computed.
            UsageError: The model or its input is wrong.
        """
        if workload.kind != "file" and not reference_path(workload, scratch).exists():
            self.referee().call(
                "reference",
                timeout_s=timeout_s,
                memory_limit_bytes=memory_limit,
                blob=blob,
                workload=workload.to_dict(),
                scratch=str(scratch),
            )

    def resident_bytes(self) -> int:
        """What all workers occupy now [bytes]."""
        return sum(w.resident_bytes() for w in self._workers.values())

    def _running(self, name: str, backend_id: str, threads: int, cpus: tuple[int, ...] | None) -> WorkerClient:
        known = self._workers.get(name)
        if known and known.alive:
            return known
        if known:
            self.retire(name)
        runtime = backend(backend_id)
        worker = WorkerClient(
            name,
            BACKENDS.target(backend_id),
            threads,
            runtime.environment(threads),
            cpus,
            self._start_timeout_s,
            # A backend of a third party may be older than this attribute.
            steady_heap=getattr(runtime, "steady_heap", True),
        )
        self._workers[name] = worker
        return worker

    def retire(self, name: str) -> None:
        """End a worker; the next call that needs it starts another."""
        worker = self._workers.pop(name)
        for command, seconds in worker.command_s.items():
            self.command_s[command] = self.command_s.get(command, 0.0) + seconds
        worker.close()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._workers):
            self.retire(name)
