"""Counting hardware and software events around inferences, inside the process that runs them."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.host.cgroup import read_text
from hwnas.host.counters import pmu_remedy
from hwnas.host.perf_events import EVENTS, OpenEvent, PerfEvent, Reading, threads_of_this_process
from hwnas.host.uncore import amd_l3_misses, memory_controller_events

#: Stored beside the misses. Each is counted alone: a core has few counters, which the kernel
#: would share out among them.
_CORE_EVENTS = ("cache-misses", "LLC-load-misses", "LLC-store-misses", "instructions", "cycles")
_ACCESSES = "cache-references"

#: The pool of a runtime may still grow in the first inferences.
_ATTEMPTS = 3

_SOURCE = "pmu"


@dataclass(frozen=True)
class EventCount:
    """Events in one inference.

    Args:
        value: Without those of the empty loop; None where `reason` says why.
        reason: Empty with a value.
    """

    value: float | None
    reason: str = ""


def count_event(event: PerfEvent, run: Callable[[], None], inferences: int) -> EventCount:
    """Count an event over some inferences on every thread of this process.

    Args:
        event: What to count.
        run: One inference, warm.
        inferences: How many to count, at least 1.
    """
    for _ in range(_ATTEMPTS):
        threads = threads_of_this_process()
        try:
            with OpenEvent(event, threads) as counter:
                idle, busy = _idle_then_busy(event, counter, run, inferences)
        except ProcessLookupError:
            continue  # a thread ended between listing and opening
        except OSError as error:
            return EventCount(None, _refusal(event, error))
        if threads_of_this_process() != threads and not event.cpus:
            continue
        if busy.running_ns == 0 and busy.enabled_ns > 0:
            return EventCount(None, f"{event.name} never ran: all hardware counters are taken")
        if busy.multiplexed or idle.multiplexed:
            return EventCount(None, f"{event.name} was multiplexed: other programs use the counters too")
        counted = busy.value - idle.value
        if event.cpus and counted <= 0:
            return EventCount(None, f"{event.name}: the rest of the machine caused more than the inferences")
        return EventCount(max(0.0, counted / inferences))
    return EventCount(None, f"{event.name}: threads came and went in each of {_ATTEMPTS} attempts")


def _idle_then_busy(
    event: PerfEvent, counter: OpenEvent, run: Callable[[], None], inferences: int
) -> tuple[Reading, Reading]:
    begin = counter.read()
    for _ in range(inferences):
        _nothing()
    between = counter.read()
    start = time.perf_counter()
    for _ in range(inferences):
        run()
    elapsed = time.perf_counter() - start
    end = counter.read()
    if not event.cpus:
        return between - begin, end - between
    # What counts for whole CPUs counts everybody: as long without us is what the others cause.
    time.sleep(elapsed)
    return counter.read() - end, end - between


def _nothing() -> None:
    """What the empty loop calls."""


def _refusal(event: PerfEvent, error: OSError) -> str:
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    paranoid = read_text(Path("/proc/sys/kernel/perf_event_paranoid"))
    if event.cpus and error.errno in (errno.EACCES, errno.EPERM):
        remedy = "Counting whole CPUs needs root, CAP_PERFMON or sysctl kernel.perf_event_paranoid=0"
    else:
        remedy = pmu_remedy(error.errno, paranoid)
    return f"{event.name}: perf_event_open fails with {code}. {remedy}"


def pmu_counters(run: Callable[[], None], inferences: int, threads: int, device: str) -> list[Counter]:
    """Last-level-cache misses and their companions, as the processor counts them.

    Args:
        run: One inference, warm.
        inferences: How many to count.
        threads: Of the arm, for the record.
        device: ``cpu`` or ``gpu``: a GPU's traffic shows in the memory controller alone.
    """
    if device != "cpu":
        return _memory_traffic(run, inferences, threads)

    def counter(name: str, found: EventCount, accesses: float | None = None) -> Counter:
        return Counter(name, found.value, _SOURCE, None, threads, accesses, found.reason)

    counts = {name: count_event(EVENTS[name], run, inferences) for name in _CORE_EVENTS}
    accesses = count_event(EVENTS[_ACCESSES], run, inferences).value
    headline = counts["cache-misses"]
    if processor_vendor() == "AuthenticAMD":
        headline, accesses = _amd_misses(run, inferences), None
    return [
        counter(LLC_MISSES, headline, accesses),
        *(counter(name, found) for name, found in counts.items()),
    ]


def _amd_misses(run: Callable[[], None], inferences: int) -> EventCount:
    """On AMD, `cache-misses` is the second level's (PMCx064); the third has counters of its own."""
    event = amd_l3_misses()
    if event is None:
        return EventCount(
            None, "this kernel has no device amd_l3, and AMD's cache-misses are the second level's"
        )
    return count_event(event, run, inferences)


def _memory_traffic(run: Callable[[], None], inferences: int, threads: int) -> list[Counter]:
    events = memory_controller_events()
    if not events:
        reason = (
            "no counters of the memory controller (uncore_imc), which alone sees an integrated GPU's traffic"
        )
        return [Counter(LLC_MISSES, None, _SOURCE, None, threads, None, reason)]
    counts = [(event.name, count_event(event, run, inferences)) for event in events]
    total = _sum(found for _, found in counts)
    return [
        Counter(LLC_MISSES, total.value, _SOURCE, None, threads, None, total.reason),
        *(Counter(name, found.value, _SOURCE, None, threads, None, found.reason) for name, found in counts),
    ]


def _sum(counts: Iterable[EventCount]) -> EventCount:
    total = 0.0
    for found in counts:
        if found.value is None:
            return found
        total += found.value
    return EventCount(total)


def processor_vendor(root: Path = Path("/")) -> str | None:
    """``vendor_id`` of /proc/cpuinfo, or None."""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        if line.startswith("vendor_id"):
            return line.partition(":")[2].strip()
    return None
