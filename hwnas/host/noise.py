"""A short look at how steady this machine is, with a verdict that a person understands."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from hwnas.core.errors import UsageError
from hwnas.host.canary import Canary
from hwnas.host.cgroup import read_text

#: Drift is looked for between medians of windows this long [s]: long enough that a window's
#: median is not moved by a few interrupts, short enough for several windows in a short check.
WINDOW_S = 0.5
#: A window with fewer readings has no median worth the name.
MIN_WINDOW_READINGS = 3
#: Largest drift called quiet: hwnas wants to tell arms apart that differ by 3 %, so a host
#: that moves by more within seconds cannot be trusted without correction.
QUIET_DRIFT = 1.03
#: Largest IQR / median called quiet: half of what torch.utils.benchmark accepts at most (10 %).
QUIET_SPREAD = 0.05
#: CPU that other processes may take together, in % of one CPU: a desktop at rest stays below
#: it; above it they compete for caches, memory bandwidth and boost clock even on a free core.
QUIET_OTHERS_PERCENT = 30.0
#: Largest steal called quiet [% of CPU time]: one sample in a hundred is interrupted.
QUIET_STEAL_PERCENT = 1.0
#: From here on [% of CPU time] other guests disturb so much that waiting beats correcting.
BUSY_STEAL_PERCENT = 5.0

#: Processes below this are not worth naming [% of one CPU].
_NAMED_PERCENT = 1.0
_MOST_NAMED = 5


class NoiseLevel(StrEnum):
    """What the noise means for measuring."""

    QUIET = "quiet"  #: measure away
    NOISY = "noisy"  #: the speed moves, though nobody is seen to take the CPU
    BUSY = "busy"  #: somebody else takes the CPU


@dataclass(frozen=True)
class CpuTicks:
    """CPU time of the whole machine since boot [clock ticks]."""

    steal: int
    total: int


@dataclass(frozen=True)
class KernelNoise:
    """How steady one canary kernel was.

    Args:
        name: The kernel.
        median_s: Median duration [s].
        spread: Interquartile range / median, dimensionless.
        drift: Largest / smallest median of the windows; None with fewer than two windows.
    """

    name: str
    median_s: float
    spread: float
    drift: float | None


@dataclass(frozen=True)
class BusyProcess:
    """Another process, with its CPU time in % of one CPU."""

    pid: int
    name: str
    cpu_percent: float


@dataclass(frozen=True)
class NoiseReport:
    """What :func:`check_noise` saw.

    Args:
        seconds: How long it looked [s].
        readings: How often the canary was read.
        kernels: Steadiness of each canary kernel.
        steal_percent: CPU time the hypervisor took [%]; None where the kernel has never counted
            any, since hypervisors that do not tell look the same.
        load_average: Of the last minute.
        processes: The busiest other processes, busiest first.
        others_percent: CPU time of all other processes together [% of one CPU].
        verdict: What it means.
        reason: The verdict as a sentence.
        advice: What to do.
    """

    seconds: float
    readings: int
    kernels: tuple[KernelNoise, ...]
    steal_percent: float | None
    load_average: float
    processes: tuple[BusyProcess, ...]
    others_percent: float
    verdict: NoiseLevel
    reason: str
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {**asdict(self), "verdict": str(self.verdict)}


def read_cpu_ticks(root: Path = Path("/")) -> CpuTicks | None:
    """The machine's CPU time from /proc/stat, or None where the system has none."""
    lines = (read_text(root / "proc/stat") or "").splitlines()
    # user nice system idle iowait irq softirq steal; guest time, which follows, is part of user.
    counts = [int(count) for count in lines[0].split()[1:9]] if lines else []
    return CpuTicks(steal=counts[7], total=sum(counts)) if len(counts) == 8 else None


def read_processes() -> dict[tuple[int, str], float]:
    """CPU time [s] of every other process that can be seen, by process id and name."""
    times = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        used = process.info["cpu_times"]  # None where the process hides it
        if used is not None and process.pid != os.getpid():
            times[process.pid, process.info["name"] or "?"] = float(used.user + used.system)
    return times


def check_noise(
    seconds: float = 5.0,
    clock: Callable[[], float] = time.perf_counter,
    read_canary: Callable[[], Mapping[str, float]] | None = None,
    read_steal: Callable[[], CpuTicks | None] = read_cpu_ticks,
    read_others: Callable[[], Mapping[tuple[int, str], float]] = read_processes,
    progress: Callable[[float], None] = lambda elapsed_s: None,
) -> NoiseReport:
    """Read the canary for some seconds and judge the machine by it.

    Args:
        seconds: How long to look [s]; at least two windows of :data:`WINDOW_S`.
        clock: Gives the time [s].
        read_canary: Runs each canary kernel once and gives its duration [s] by name; by default a
            new :class:`~hwnas.host.canary.Canary`.
        read_steal: Gives the CPU time that the hypervisor took so far, with the total.
        read_others: Gives the CPU time [s] of the other processes so far.
        progress: Called after each reading with the time elapsed [s].

    Raises:
        UsageError: `seconds` is too short to see drift.
    """
    if seconds < 2 * WINDOW_S:
        raise UsageError(f"{seconds} s are too short for a noise check", f"Give at least {2 * WINDOW_S} s")
    read = read_canary or Canary().read
    read()  # the first call pays for page faults and cold caches
    ticks_before, others_before = read_steal(), read_others()
    start = now = clock()
    readings: list[tuple[float, Mapping[str, float]]] = []
    while now - start < seconds:
        readings.append((now - start, read()))
        now = clock()
        progress(now - start)
    elapsed_s = now - start

    processes = _busy_processes(others_before, read_others(), elapsed_s)
    kernels = tuple(_kernel_noise(name, readings) for name in readings[0][1])
    steal_percent = _steal_percent(ticks_before, read_steal())
    others_percent = sum(process.cpu_percent for process in processes)
    verdict, reason, advice = _judge(kernels, steal_percent, processes, others_percent)
    return NoiseReport(
        seconds=elapsed_s,
        readings=len(readings),
        kernels=kernels,
        steal_percent=steal_percent,
        load_average=os.getloadavg()[0],
        processes=tuple(p for p in processes[:_MOST_NAMED] if p.cpu_percent >= _NAMED_PERCENT),
        others_percent=others_percent,
        verdict=verdict,
        reason=reason,
        advice=advice,
    )


def _kernel_noise(name: str, readings: Sequence[tuple[float, Mapping[str, float]]]) -> KernelNoise:
    durations = [reading[name] for _, reading in readings]
    windows: dict[int, list[float]] = {}
    for (at_s, _), duration_s in zip(readings, durations, strict=True):
        windows.setdefault(int(at_s / WINDOW_S), []).append(duration_s)
    medians = [statistics.median(w) for w in windows.values() if len(w) >= MIN_WINDOW_READINGS]
    median_s = statistics.median(durations)
    low, _, high = statistics.quantiles(durations, n=4) if len(durations) > 1 else durations * 3
    return KernelNoise(
        name=name,
        median_s=median_s,
        spread=(high - low) / median_s,
        drift=max(medians) / min(medians) if len(medians) > 1 else None,
    )


def _steal_percent(before: CpuTicks | None, after: CpuTicks | None) -> float | None:
    if before is None or after is None or after.steal == 0 or after.total <= before.total:
        return None
    return 100 * (after.steal - before.steal) / (after.total - before.total)


def _busy_processes(
    before: Mapping[tuple[int, str], float], after: Mapping[tuple[int, str], float], elapsed_s: float
) -> list[BusyProcess]:
    """Other processes by CPU time used in between, busiest first; a new one started at 0."""
    used = {key: max(0.0, seconds - before.get(key, 0.0)) for key, seconds in after.items()}
    processes = [BusyProcess(pid, name, 100 * value / elapsed_s) for (pid, name), value in used.items()]
    return sorted(processes, key=lambda p: p.cpu_percent, reverse=True)


def _judge(
    kernels: Sequence[KernelNoise],
    steal_percent: float | None,
    processes: Sequence[BusyProcess],
    others_percent: float,
) -> tuple[NoiseLevel, str, str]:
    """The verdict, its reason and the advice."""
    if others_percent > QUIET_OTHERS_PERCENT:
        named = [p for p in processes[:3] if p.cpu_percent >= _NAMED_PERCENT]
        names = ", ".join(f"{p.name} (pid {p.pid}, {p.cpu_percent:.0f} %)" for p in named)
        return (
            NoiseLevel.BUSY,
            f"Other processes use {others_percent:.0f} % of a CPU: {names or 'many small ones'}.",
            "Close them, or wait for their end. Measured now, latencies include their share.",
        )
    if steal_percent is not None and steal_percent > BUSY_STEAL_PERCENT:
        return (
            NoiseLevel.BUSY,
            f"The hypervisor gives {steal_percent:.1f} % of the CPU time to other guests.",
            "Measure at a quieter hour or on a dedicated host. Intervals will be wide.",
        )

    drifts = [k.drift for k in kernels]
    if any(drift is None for drift in drifts):
        return (
            NoiseLevel.NOISY,
            "The canary ran too seldom to judge the host.",
            "Check again for a longer time.",
        )
    drift = max(d for d in drifts if d is not None)
    spread = max(k.spread for k in kernels)
    seen = []
    if drift > QUIET_DRIFT:
        seen.append(f"its speed drifts by {100 * (drift - 1):.0f} % within seconds")
    if spread > QUIET_SPREAD:
        seen.append(f"equal calls differ by {100 * spread:.0f} %")
    if steal_percent is not None and steal_percent > QUIET_STEAL_PERCENT:
        seen.append(f"the hypervisor takes {steal_percent:.1f} % of the CPU time")
    if seen:
        return (
            NoiseLevel.NOISY,
            f"The host is unsteady although no process here is to blame: {' and '.join(seen)}.",
            "Numbers stay usable, since hwnas corrects drift with its canary, but intervals will be wide. "
            "Where you can, fix the clock frequency (governor 'performance'); else measure longer.",
        )
    return (
        NoiseLevel.QUIET,
        f"The host is quiet: its speed stays within {100 * (drift - 1):.1f} %.",
        "Nothing to do.",
    )
