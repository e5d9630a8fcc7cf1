"""Which sources of last-level-cache misses this host has, and what is missing for the others."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwnas.host.cgroup import read_text
from hwnas.host.cpus import AMD_VENDORS, processor_vendor
from hwnas.host.perf_events import EVENTS, OpenEvent, PerfEvent
from hwnas.host.uncore import NO_AMD_L3, amd_l3_misses, memory_controller_events

#: More than any cache holds, so that walking through it must miss.
_WALK_BYTES = 64 * 2**20

_THIS_THREAD = 0

#: What it takes to count events of whole CPUs, other programs' included.
WHOLE_CPUS_REMEDY = "Counting whole CPUs needs root, CAP_PERFMON or sysctl kernel.perf_event_paranoid=0"

#: Why there is no count of an integrated GPU's misses.
NO_MEMORY_CONTROLLER = (
    "no counters of the memory controller (uncore_imc), which alone sees an integrated GPU's traffic"
)

#: Begins the reason for a count that waits for somebody to install the simulator.
CALLGRIND_MISSING = "valgrind is not on PATH"


@dataclass(frozen=True)
class CounterSource:
    """One way to count cache misses.

    Args:
        name: ``pmu``, ``pmu (gpu)``, ``callgrind`` or ``model``.
        available: Whether it works here and now.
        detail: What was found.
        remedy: What to do where it is not available, else empty.
    """

    name: str
    available: bool
    detail: str
    remedy: str = ""


def cache_miss_sources(root: Path = Path("/")) -> tuple[CounterSource, ...]:
    """Try each source, the most direct one first.

    Args:
        root: Where /proc is looked for.
    """
    return (pmu_source(root), graphics_source(root), callgrind_source(), model_source())


def count_own_cache_misses() -> tuple[int, int]:
    """Let the CPU count the cache misses of walking through a large buffer.

    Returns:
        The count, and for how long the counter really ran [ns]; 0 means it never did.

    Raises:
        OSError: The kernel refuses the counter; `errno` says why.
    """
    with OpenEvent(EVENTS["cache-misses"], (_THIS_THREAD,)) as event:
        bytearray(_WALK_BYTES).count(1)
        found = event.read()
    return found.value, found.running_ns


def pmu_source(
    root: Path = Path("/"), count_misses: Callable[[], tuple[int, int]] = count_own_cache_misses
) -> CounterSource:
    """The CPU's own counter, through perf_event_open.

    Args:
        root: Where /proc is looked for.
        count_misses: Takes a sample count, as :func:`count_own_cache_misses` does.
    """
    paranoid = read_text(root / "proc/sys/kernel/perf_event_paranoid")
    setting = f"kernel.perf_event_paranoid={paranoid}" if paranoid else "kernel.perf_event_paranoid unknown"
    try:
        misses, running_ns = count_misses()
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, str(error.errno))
        remedy = pmu_remedy(error.errno, paranoid)
        return CounterSource("pmu", False, f"perf_event_open fails with {code} ({setting})", remedy)
    if running_ns == 0:
        remedy = "Stop other profilers; an NMI watchdog holds one too: sysctl kernel.nmi_watchdog=0"
        return CounterSource("pmu", False, "the counter never ran: all hardware counters are taken", remedy)
    if misses == 0:
        remedy = "The hypervisor hides the counters: use a machine without one"
        return CounterSource("pmu", False, "the counter stays at 0 whatever runs", remedy)
    if processor_vendor(root) in AMD_VENDORS:
        return _amd_source(root, setting)
    return CounterSource("pmu", True, f"hardware cache-misses ({setting})")


def _amd_source(root: Path, setting: str) -> CounterSource:
    """Whether AMD's own counters of the third level can be opened: a core's cache-misses are the second's."""
    event = amd_l3_misses(root)
    if event is None:
        return CounterSource("pmu", False, NO_AMD_L3, "Load the kernel module amd_uncore")
    return _whole_cpus_source("pmu", event, f"misses of the L3 by all its cores ({setting})")


def _whole_cpus_source(name: str, event: PerfEvent, detail: str) -> CounterSource:
    """Whether a counter that belongs to no process can be opened."""
    try:
        with OpenEvent(event, ()):
            return CounterSource(name, True, detail)
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, str(error.errno))
        return CounterSource(name, False, f"{event.name} fails with {code}", WHOLE_CPUS_REMEDY)


def graphics_source(root: Path = Path("/")) -> CounterSource:
    """The memory controller's counters, which see an integrated GPU's traffic.

    Args:
        root: Where /sys is looked for.
    """
    events = memory_controller_events(root)
    if not events:
        remedy = "Needs an Intel client processor and a kernel that shows its memory controller (intel_uncore)"
        return CounterSource("pmu (gpu)", False, NO_MEMORY_CONTROLLER, remedy)
    names = ", ".join(e.name for e in events)
    return _whole_cpus_source("pmu (gpu)", events[0], f"traffic of the memory controller ({names})")


def pmu_remedy(code: int | None, paranoid: str | None) -> str:
    """What a user can do about an `errno` of perf_event_open."""
    if code in (errno.EACCES, errno.EPERM):
        if paranoid is not None and int(paranoid) > 2:
            return "As root: sysctl kernel.perf_event_paranoid=2"
        return "A container's seccomp filter forbids it: start the container with --cap-add PERFMON"
    if code in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return "The hypervisor hides the counters: use a machine without one, or a guest with a virtual PMU"
    if code == errno.ENOSYS:
        return "Needs a Linux kernel with perf events (CONFIG_PERF_EVENTS)"
    return "See the manual page of perf_event_open"


def callgrind_source() -> CounterSource:
    """Valgrind's cache simulator, which runs the real binaries."""
    program = shutil.which("valgrind")
    if program is None:
        return CounterSource("callgrind", False, CALLGRIND_MISSING, "apt-get install valgrind")
    remedy = "Install valgrind again: apt-get install --reinstall valgrind"
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return CounterSource("callgrind", False, f"{program} does not start: {error}", remedy)
    if answer.returncode != 0:
        said = answer.stderr.strip() or f"exit code {answer.returncode}"
        return CounterSource("callgrind", False, f"{program} --version fails: {said}", remedy)
    if shutil.which("vgdb") is None:
        return CounterSource("callgrind", False, "vgdb is not on PATH", remedy)
    return CounterSource("callgrind", True, f"{answer.stdout.strip()}: simulated, for any cache geometry")


def model_source() -> CounterSource:
    """The analytic model: kernels' traffic through a simulated cache."""
    return CounterSource("model", True, "kernels' traffic through a simulated cache, for any geometry")
