"""The workers of one pass: started when first needed, replaced when they die, ended together."""

from __future__ import annotations

import os
from types import TracebackType

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import BackendUnavailable
from hwnas.measuring.worker_client import WorkerClient, usable_cpus

_REFEREE = "the reference"
_REFEREE_BACKEND = "torch:cpu:fp32"


class Crew:
    """One worker an arm.

    Args:
        threads: Threads of every arm.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._cpus = usable_cpus(threads)
        self._workers: dict[str, WorkerClient] = {}
        self._unavailable: dict[str, BackendUnavailable] = {}
        #: Seconds inside worker commands so far, by command, those of ended workers included.
        self.command_s: dict[str, float] = {}

    @property
    def cpus(self) -> tuple[int, ...] | None:
        """CPUs that the workers are bound to, or None."""
        return self._cpus

    def worker(self, backend_id: str) -> WorkerClient:
        """The arm's running worker.

        Raises:
            BackendUnavailable: This host cannot run the backend; asked once a pass.
            CellError: A new worker did not come up.
        """
        if backend_id in self._unavailable:
            raise self._unavailable[backend_id]
        known = self._workers.get(backend_id)
        if known and known.alive:
            return known
        if known:
            self._retire(known)
        try:
            worker = WorkerClient(
                backend_id,
                BACKENDS.target(backend_id),
                self._threads,
                backend(backend_id).environment(self._threads),
                self._cpus,
            )
        except BackendUnavailable as error:
            self._unavailable[backend_id] = error
            raise
        self._workers[backend_id] = worker
        return worker

    def referee(self) -> WorkerClient:
        """The worker that computes reference outputs; it is never timed, so it may use every CPU.

        Raises:
            CellError: A new worker did not come up.
        """
        known = self._workers.get(_REFEREE)
        if known and known.alive:
            return known
        if known:
            self._retire(known)
        threads = os.cpu_count() or 1
        environment = backend(_REFEREE_BACKEND).environment(threads)
        worker = WorkerClient(_REFEREE, BACKENDS.target(_REFEREE_BACKEND), threads, environment, None)
        self._workers[_REFEREE] = worker
        return worker

    def _retire(self, worker: WorkerClient) -> None:
        for command, seconds in worker.command_s.items():
            self.command_s[command] = self.command_s.get(command, 0.0) + seconds
        worker.close()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            self._retire(worker)
        self._workers.clear()
