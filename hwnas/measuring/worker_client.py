"""The campaign's side of a worker process: start it, ask it, watch it, end it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from hwnas.core import errors
from hwnas.core.errors import BackendUnavailable, CellError, CellTimeout, OutOfMemory, WorkerDied
from hwnas.host.allocator import STEADY_HEAP
from hwnas.measuring.scratch import scratch_file
from hwnas.measuring.wire import receive, send

#: How often a waiting campaign looks at the worker's memory. Rare, so that it disturbs nothing.
_WATCH_S = 0.25

_WORKER = "hwnas.measuring.worker"
_PACKAGE = Path(__file__).resolve().parent.parent

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerClient:
    """One worker process that runs one backend.

    Args:
        backend_id: For messages.
        target: ``package.module:Class`` of the backend.
        threads: Threads the arm may use.
        environment: Variables the backend needs at process start.
        cpus: Logical CPUs the process is bound to, or None for no binding.
        start_timeout_s: Longest time for importing the runtime.
        wrapper: Command that runs the process, such as a simulator with its options.
        steady_heap: Whether the process keeps the memory that a call frees.
        inherited: Variables of the user's that the process gets; all of them by default.
        folder: Working folder of the process; by default the current one.
        own_path: Look for modules where a new interpreter would, not where this one does.

    Raises:
        BackendUnavailable: This host cannot run the backend.
        CellError: The worker did not come up.
        HwnasError: There is no room for temporary files.
    """

    def __init__(
        self,
        backend_id: str,
        target: str,
        threads: int,
        environment: Mapping[str, str],
        cpus: tuple[int, ...] | None,
        start_timeout_s: float = 120.0,
        wrapper: tuple[str, ...] = (),
        steady_heap: bool = True,
        inherited: Mapping[str, str] | None = None,
        folder: str | None = None,
        own_path: bool = False,
    ) -> None:
        self.backend_id = backend_id
        self.threads = threads
        #: Seconds that the worker has spent inside commands, by command.
        self.command_s: dict[str, float] = {}
        self._log = scratch_file()
        to_worker, self._sink = _pipe()
        self._source, from_worker = _pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._source, selectors.EVENT_READ)
        inherited = os.environ if inherited is None else inherited
        variables = {k: v for k, v in inherited.items() if k not in _THREAD_VARIABLES}
        # A user who chose otherwise meant it; what was in force is stored.
        variables = {**(STEADY_HEAP if steady_heap else {}), **variables}
        # NumPy's pool serves the canary alone, which is one thread's work.
        variables.update({"OPENBLAS_NUM_THREADS": "1", **environment})
        paths = [str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
        ends = (to_worker.fileno(), from_worker.fileno())
        try:
            self._process = subprocess.Popen(
                # -P: a file of the user's that is called like a module of the library must not shadow it.
                # Numbers of one length, so that they do not move what lies behind them in memory.
                [*wrapper, sys.executable, "-P", "-m", _WORKER, *(f"{n:010d}" for n in (*ends, os.getpid()))],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env=variables,
                cwd=folder,
                pass_fds=ends,
                start_new_session=True,
            )
        except OSError as error:
            self._close_streams()
            raise CellError(f"no worker process for {backend_id} can be started: {error}") from error
        finally:
            to_worker.close()
            from_worker.close()
        try:
            if cpus is not None:
                self._bind(cpus)
            search_path = None if own_path else [str(p) for p in sys.path]
            found = self.call(
                "hello", timeout_s=start_timeout_s, target=target, threads=threads, sys_path=search_path
            )
            if not found["available"]:
                raise BackendUnavailable(found["detail"], found["remedy"])
        except BaseException:
            # Ctrl-C while a runtime is being imported must not leave the process behind either.
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def call(
        self,
        command: str,
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        blob: bytes = b"",
        **message: Any,
    ) -> dict[str, Any]:
        """Send one command and wait for its answer.

        Raises:
            CellTimeout: No answer in time; the worker was killed.
            OutOfMemory: The worker grew beyond the limit and was killed.
            WorkerDied: The process ended.
            CellError: The command failed inside the worker, which lives on.
        """
        if self._sink.closed:
            raise WorkerDied(f"the worker of {self.backend_id} was ended before")
        try:
            send(self._sink, {"command": command, **message}, blob)
            self._await_answer(command, timeout_s, memory_limit_bytes)
            answer, _ = receive(self._source)
        except (EOFError, BrokenPipeError) as error:
            raise self._death() from error
        self.command_s[command] = self.command_s.get(command, 0.0) + answer["wall_s"]
        if "error" in answer:
            kind = getattr(errors, answer["error"], CellError)
            raise kind(answer["message"], answer["hint"])
        return answer

    def _await_answer(self, command: str, timeout_s: float, memory_limit_bytes: int | None) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            if self._selector.select(min(_WATCH_S, max(0.0, deadline - time.monotonic()))):
                return
            used = self.resident_bytes() if memory_limit_bytes is not None else 0
            if memory_limit_bytes is not None and used > memory_limit_bytes:
                self.close()
                raise OutOfMemory(
                    f"the worker of {self.backend_id} used {used / 2**30:.1f} GiB, "
                    f"more than its limit of {memory_limit_bytes / 2**30:.1f} GiB",
                    "Lower batch, width or resolution",
                )
            if time.monotonic() >= deadline:
                self.close()
                raise CellTimeout(
                    f"the worker of {self.backend_id} gave no answer to '{command}' within {timeout_s:.0f} s",
                    "Raise the setting cell_timeout_s, or lower depth, batch or resolution",
                )

    def resident_bytes(self) -> int:
        """Resident size of the process now [bytes]; 0 once it is gone."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _death(self) -> CellError:
        tail = self.log_tail()
        said = f"; last words: {tail}" if tail else ""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.close()
            return WorkerDied(f"the worker of {self.backend_id} closed its pipe and did not end{said}")
        if code == -signal.SIGKILL:
            return OutOfMemory(
                f"the worker of {self.backend_id} was killed (signal 9), most likely out of memory{said}"
            )
        how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        return WorkerDied(f"the worker of {self.backend_id} ended with {how}{said}")

    def log_tail(self, length: int = 300) -> str:
        """The last line that the worker printed, for a reason that helps."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4096))
        lines = [
            line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()
        ]
        return lines[-1][-length:] if lines else ""

    def close(self) -> None:
        """End the process now; safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close_streams()

    def _close_streams(self) -> None:
        self._selector.close()
        for stream in (self._sink, self._source, self._log):
            stream.close()

    def _bind(self, cpus: tuple[int, ...]) -> None:
        try:
            os.sched_setaffinity(self._process.pid, cpus)
        except OSError as error:
            raise CellError(
                f"the worker of {self.backend_id} cannot be bound to the CPUs {cpus}: {error}"
            ) from error


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe()
    return os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)
