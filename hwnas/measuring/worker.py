"""The worker process: one arm, one network at a time, told what to do over a pipe.

Started as ``python -m hwnas.measuring.worker READ_FD WRITE_FD PARENT_PID``. It knows nothing of campaigns.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any

from hwnas.backends.protocol import computing_device
from hwnas.core.errors import CellError, HwnasError, UsageError
from hwnas.core.workload import Workload
from hwnas.host.allocator import return_freed_memory
from hwnas.host.parent_death import die_with_parent
from hwnas.measuring.wire import receive, send


class Worker:
    """Answers the commands of one campaign; each method is one command."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._threads = 1
        self._cell: Any = None
        self._session: Any = None
        self._canary: Any = None

    def hello(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Become the arm of one backend."""
        from hwnas.host.canary import Canary

        if message["sys_path"] is not None:
            sys.path[:] = message["sys_path"]
        module, _, attribute = message["target"].partition(":")
        self._backend = getattr(importlib.import_module(module), attribute)()
        self._threads = message["threads"]
        self._canary = Canary()
        found = self._backend.availability()
        # The runtimes' modules live as long as the process: no collection needs to walk them again.
        gc.collect()
        gc.freeze()
        return {"available": found.available, "detail": found.detail, "remedy": found.remedy}

    def reference(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Compute a workload's reference outputs for all arms."""
        _write_reference(Workload.from_dict(message["workload"]), blob, Path(message["scratch"]))
        _give_back_memory()
        return {}

    def prepare(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Build, compile, prove agreement, warm up."""
        from hwnas.measuring.prepared import PreparedCell

        self.release(message, blob)
        reset_peak_memory()
        workload = Workload.from_dict(message["workload"])
        self._cell = PreparedCell.create(
            self._backend, self._threads, workload, blob, Path(message["scratch"]), self._canary
        )
        self._cell.warm_up(message["warmup_s"], message["warmup_cap_s"])
        description: dict[str, Any] = self._cell.describe()
        return description

    def kernels(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """List what really runs; disturbs timing, so it is a command of its own."""
        from hwnas.core.cache_geometry import CacheGeometry
        from hwnas.measuring.count_in_worker import with_modelled_misses

        session = self._cell.session
        geometries = [CacheGeometry.of(cache) for cache in message["caches"]]
        kernels = with_modelled_misses(
            session.kernels(), session, geometries, computing_device(self._backend.id)
        )
        return {"kernels": [k.to_dict() for k in kernels]}

    def load(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Build and compile without proof or warm-up, for a simulator in which every call takes minutes."""
        from hwnas.measuring.prepared import build_program

        self.release(message, blob)
        program = build_program(Workload.from_dict(message["workload"]), blob)
        self._session = self._backend.compile(program, self._threads)
        # A collection in the middle of a count would be taken for the network's.
        gc.disable()
        return {}

    def run(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Some inferences of the loaded network, untimed."""
        for _ in range(message["inferences"]):
            self._session.run()
        return {}

    def count(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Cache misses of the prepared network by the processor's counters."""
        from hwnas.measuring.count_in_worker import counted_by_processor

        cell = self._cell
        counters = counted_by_processor(cell.session, cell.call_s, self._threads, message["device"])
        return {"counters": [c.to_dict() for c in counters]}

    def model(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Modelled cache misses of the network that was prepared or loaded."""
        from hwnas.core.cache_geometry import CacheGeometry
        from hwnas.measuring.count_in_worker import counted_by_model

        session = self._cell.session if self._cell else self._session
        geometries = [CacheGeometry.of(cache) for cache in message["caches"]]
        counters = counted_by_model(session, geometries, self._threads, computing_device(self._backend.id))
        return {"counters": [c.to_dict() for c in counters]}

    def turn(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Time calls for a while, with canary readings in between."""
        return {
            "blocks": self._cell.turn(message["turn_s"], message["block_s"]),
            "peak_memory": peak_memory_bytes(),
        }

    def release(self, message: dict[str, Any], blob: bytes) -> dict[str, Any]:
        """Forget the network."""
        self._cell = self._session = None
        gc.enable()
        _give_back_memory()
        return {}


def _write_reference(workload: Workload, blob: bytes, scratch: Path) -> None:
    from hwnas.measuring.reference import compute_reference, reference_path, save_reference
    from hwnas.workloads.build import load_program

    built = load_program(workload, blob)
    if built.module is not None:
        save_reference(compute_reference(built.module, built.inputs), reference_path(workload, scratch))


def _give_back_memory() -> None:
    """What the process has freed stays in its heap otherwise, and other arms lack it."""
    gc.collect()
    return_freed_memory()


def reset_peak_memory() -> None:
    """Start the kernel's high-water mark of this process anew, where the kernel can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int:
    """Largest resident size of this process since the last reset [bytes]."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, HwnasError):
        # Only these have the two arguments that the campaign's side builds an error from.
        known = isinstance(error, CellError) or type(error) is UsageError
        name = type(error).__name__ if known else "CellError"
        return {"error": name, "message": error.message, "hint": error.hint}
    if isinstance(error, MemoryError):
        return {"error": "OutOfMemory", "message": "the worker ran out of memory", "hint": ""}
    first = (str(error).strip() or "no message").splitlines()[0]
    return {"error": "CellError", "message": f"{type(error).__name__}: {first[:300]}", "hint": ""}


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer commands until the campaign closes the pipe."""
    worker = Worker()
    while True:
        try:
            message, blob = receive(source)
        except EOFError:
            return
        start = time.perf_counter()
        try:
            answer = getattr(worker, message["command"])(message, blob)
        except Exception as error:  # noqa: BLE001 - whatever a runtime or a user's model raises costs one cell
            answer = _failure(error)
        answer["wall_s"] = time.perf_counter() - start
        if "error" in answer:
            # What the command held has gone with its error.
            _give_back_memory()
        send(sink, answer)


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read_fd, write_fd, parent = (int(argument) for argument in sys.argv[1:4])
    if os.getppid() != parent:
        # The campaign died before the kernel knew whom to watch.
        return
    with os.fdopen(read_fd, "rb") as source, os.fdopen(write_fd, "wb") as sink:
        serve(source, sink)


if __name__ == "__main__":
    main()
