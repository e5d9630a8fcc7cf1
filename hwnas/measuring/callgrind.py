"""A worker under valgrind's cache simulator: misses of the real binaries on any geometry.

Instrumentation starts after the network is compiled and warm, so that only inferences are counted. The
simulation is exact but slow, about a thousand times slower than the processor.
"""

from __future__ import annotations

import compileall
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import BackendUnavailable, CellError, WorkerDied
from hwnas.core.workload import Workload
from hwnas.host.counters import callgrind_source
from hwnas.host.runtime_variables import runtime_variables
from hwnas.measuring.scratch import scratch_folder
from hwnas.measuring.worker_client import WorkerClient

_SOURCE = "callgrind"

#: First-level caches of the simulation, fixed so that a cell repeats on any host: 32 KiB, 8 ways, 64 B,
#: as in most processors of the last ten years.
_FIRST_LEVEL = CacheGeometry(32 * 2**10, 8, 64)

#: Misses of the last level: instructions, data reads, data writes; and of the first, which are its accesses.
_MISSES = ("ILmr", "DLmr", "DLmw")
_ACCESSES = ("I1mr", "D1mr", "D1mw")

#: Inferences are counted one by one for about this long, and no more often than this. The lowest count is
#: kept: now and then another thread of the process wakes up and brings some hundred misses of its own.
_COUNTED_S = 10.0
_MOST_REPEATS = 5

#: Warm-up without instrumentation: rounds of two inferences, up to so many or so long.
_WARM_UP_INFERENCES = 2
_WARM_UP_ROUNDS = 32
_WARM_UP_S = 3.0

#: Kinds of workloads whose network does not depend on the current folder.
_FOLDER_FREE = ("pattern", "torchvision", "timm", "zoo", "layers")

#: What the simulated process gets of the user's environment: what finds files and what steers a runtime. Other
#: variables differ from shell to shell, and their length moves all that the process allocates.
_INHERITED = ("HOME", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "GLIBC_TUNABLES")

_PTRACE = "In a container, allow ptrace: --cap-add SYS_PTRACE"

_START_TIMEOUT_S = 900.0
_CONTROL_TIMEOUT_S = 300.0


def parse_totals(text: str) -> dict[str, int]:
    """Event -> total of a callgrind profile.

    Raises:
        CellError: Not a complete profile.
    """
    names = re.search(r"^events: (.+)$", text, re.MULTILINE)
    # Not `summary:` in the header: it stands there before the profile is complete.
    totals = re.search(r"^totals: (.+)$", text, re.MULTILINE)
    if not names or not totals:
        raise CellError("callgrind wrote no totals")
    values = [int(v) for v in totals[1].split()]
    # Callgrind leaves out zeros at the end.
    values += [0] * (len(names[1].split()) - len(values))
    return dict(zip(names[1].split(), values, strict=True))


def _undisturbed(profiles: Sequence[Mapping[str, int]], names: tuple[str, ...]) -> float:
    """Lowest sum of some events over profiles of the same work."""
    return float(min(sum(p.get(n, 0) for n in names) for p in profiles))


def simulated_misses(
    backend_id: str,
    threads: int,
    geometry: CacheGeometry,
    timeout_s: float,
    workload: Workload,
    blob: bytes = b"",
) -> Counter:
    """Misses and accesses of one steady-state inference, in a process of its own.

    Which lines share a set depends on where buffers lie, and so on all that a process did before: by 2 % of the
    misses in small networks. Each cell therefore gets a fresh process at fixed addresses, and repeats.

    Args:
        backend_id: Whose cell is counted.
        threads: Threads of the arm; valgrind runs one at a time.
        geometry: Last-level cache to simulate; its sets become a power of two.
        timeout_s: Longest time for one command.
        workload: What to run.
        blob: The live module of a ``module`` workload, else empty.

    Raises:
        BackendUnavailable: Valgrind is missing, or the backend cannot run here.
        CellError: The process does not come up, the network cannot run, or valgrind does not answer.
        HwnasError: There is no room for temporary files.
        UsageError: The model or its input is wrong.
    """
    # The folder's name is one more thing that moves what a process allocates.
    folder_free = workload.kind in _FOLDER_FREE
    with _Simulator(backend_id, threads, geometry, timeout_s, folder_free) as simulator:
        return simulator.count(workload, blob)


def fixed_addresses() -> tuple[str, ...]:
    """The command that switches address randomisation off; none where a container forbids it."""
    program = shutil.which("setarch")
    if program is None:
        return ()
    command = (str(Path(program).resolve()), "--addr-no-randomize")
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if allowed else ()


def inherited_variables() -> dict[str, str]:
    """The user's variables that a simulated process gets, in the order of their names."""
    chosen = {k: v for k, v in os.environ.items() if k in _INHERITED} | runtime_variables(os.environ)
    return {"PATH": os.defpath, **dict(sorted(chosen.items()))}


class _Simulator:
    """One backend in a process under valgrind; arguments as of :func:`simulated_misses`.

    `folder_free` tells that the workload does not depend on the current folder.
    """

    def __init__(
        self, backend_id: str, threads: int, geometry: CacheGeometry, timeout_s: float, folder_free: bool
    ) -> None:
        source = callgrind_source()
        if not source.available:
            raise BackendUnavailable(source.detail, source.remedy)
        self.geometry = geometry.with_power_of_two_sets()
        self._threads = threads
        self._timeout_s = timeout_s
        # Who first imports a module compiles it, and what that allocates moves the buffers of all that follows.
        compileall.compile_dir(Path(__file__).parents[1], quiet=2)
        self._folder = scratch_folder()
        self._dumps = 0
        try:
            runtime = backend(backend_id)
            target = BACKENDS.target(backend_id)
            self._worker = WorkerClient(
                backend_id,
                target,
                threads,
                {**runtime.environment(threads), "PYTHONHASHSEED": "0"},
                None,
                _START_TIMEOUT_S,
                wrapper=self._valgrind(),
                # A backend of a third party may be older than this attribute.
                steady_heap=getattr(runtime, "steady_heap", True),
                inherited=inherited_variables(),
                folder="/" if folder_free else None,
                # Which folders are searched differs from program to program, and what is in the current one
                # from day to day: the names that Python lists there move what is allocated after them.
                own_path=folder_free and target.startswith("hwnas."),
            )
        except BaseException:
            self._folder.cleanup()
            raise

    def _valgrind(self) -> tuple[str, ...]:
        program = shutil.which("valgrind")
        assert program is not None  # asked for in the constructor
        return (
            *fixed_addresses(),
            # The simulated process sees this path among its variables.
            str(Path(program).resolve()),
            "--tool=callgrind",
            "--cache-sim=yes",
            "--instr-atstart=no",
            f"--I1={_FIRST_LEVEL}",
            f"--D1={_FIRST_LEVEL}",
            f"--LL={self.geometry}",
            f"--callgrind-out-file={self._folder.name}/out",
            "--combine-dumps=no",
            "-q",
        )

    def count(self, workload: Workload, blob: bytes = b"") -> Counter:
        """Misses and accesses of one steady-state inference; once a process."""
        self._call("load", workload=workload.to_dict(), blob=blob)
        self._warm_up()
        self._control("instrumentation", "on")
        start = time.monotonic()
        # The simulated cache starts empty.
        self._call("run", inferences=1)
        took = max(1e-3, time.monotonic() - start)
        self._control("zero")
        repeats = max(1, min(_MOST_REPEATS, math.ceil(_COUNTED_S / took)))
        # Reading a command pushes some thousand lines out of a small cache. A short inference is therefore
        # counted behind another one; for a long one that is nothing, and one more would cost minutes.
        lead = 1 if repeats > 1 else 0
        idle = [self._counted(lead) for _ in range(repeats)]
        busy = [self._counted(lead + 1) for _ in range(repeats)]
        if _undisturbed(busy, ("Ir",)) <= _undisturbed(idle, ("Ir",)):
            raise CellError("callgrind counted no instructions of the inference")

        def per_inference(names: tuple[str, ...]) -> float:
            return max(0.0, _undisturbed(busy, names) - _undisturbed(idle, names))

        return Counter(
            LLC_MISSES,
            per_inference(_MISSES),
            _SOURCE,
            str(self.geometry),
            self._threads,
            per_inference(_ACCESSES),
        )

    def _counted(self, inferences: int) -> dict[str, int]:
        self._call("run", inferences=inferences)
        return self._dump()

    def _warm_up(self) -> None:
        """Pools start, memory settles, and the interpreter specialises its bytecode.

        The last takes some tens of calls, and shows in small networks only: their calls are short.
        """
        start = time.monotonic()
        for _ in range(_WARM_UP_ROUNDS):
            self._call("run", inferences=_WARM_UP_INFERENCES)
            if time.monotonic() - start > _WARM_UP_S:
                return

    def _call(self, command: str, *, blob: bytes = b"", **message: Any) -> Mapping[str, Any]:
        return self._worker.call(command, timeout_s=self._timeout_s, blob=blob, **message)

    def _control(self, *command: str) -> None:
        """Tell callgrind something; directly, since `callgrind_control` hides what fails."""
        try:
            done = subprocess.run(
                [shutil.which("vgdb") or "vgdb", f"--pid={self._worker.pid}", *command],
                # Valgrind and vgdb call their pipes after $LOGNAME or $USER and $HOST or $HOSTNAME: both must
                # see the same of them, and the simulated process gets none.
                env=inherited_variables(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_CONTROL_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CellError(f"vgdb {' '.join(command)} fails: {error}", _PTRACE) from error
        if done.returncode:
            if not self._worker.alive:
                raise WorkerDied(f"the process under valgrind ended before vgdb {' '.join(command)}")
            said = done.stderr.strip().splitlines() or ["no message"]
            raise CellError(f"vgdb {' '.join(command)} fails: {said[-1]}", _PTRACE)

    def _dump(self) -> dict[str, int]:
        """Write the counters to a file, zero them, and read the file."""
        self._control("dump")
        self._dumps += 1
        try:
            text = Path(f"{self._folder.name}/out.{self._dumps}").read_text(errors="replace")
            return parse_totals(text)
        except (OSError, ValueError) as error:
            raise CellError(f"callgrind's profile cannot be read: {error}") from error

    def close(self) -> None:
        """End the process; safe to call twice."""
        self._worker.close()
        self._folder.cleanup()

    def __enter__(self) -> _Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
