"""Counting hardware and software events around inferences, inside the process that runs them."""

from __future__ import annotations

import errno
import functools
import operator
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.host.cgroup import read_text
from hwnas.host.counters import NO_MEMORY_CONTROLLER, WHOLE_CPUS_REMEDY, pmu_remedy
from hwnas.host.cpus import AMD_VENDORS, processor_vendor
from hwnas.host.perf_events import EVENTS, OpenEvent, PerfEvent, Reading, threads_of_this_process
from hwnas.host.uncore import NO_AMD_L3, amd_l3_misses, graphics_request_events, memory_controller_events

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
    return count_together([event], run, inferences)


def count_together(events: Sequence[PerfEvent], run: Callable[[], None], inferences: int) -> EventCount:
    """Count the sum of some events in the same inferences.

    Args:
        events: At least one; all of threads, or all of whole CPUs.
        run: One inference, warm.
        inferences: How many to count, at least 1.
    """
    names, outside = " + ".join(e.name for e in events), bool(events[0].cpus)
    for _ in range(_ATTEMPTS):
        threads = threads_of_this_process()
        try:
            with ExitStack() as stack:
                counters = [stack.enter_context(OpenEvent(event, threads)) for event in events]
                idle, busy = _idle_then_busy(counters, run, inferences, outside)
        except ProcessLookupError:
            continue  # a thread ended between listing and opening
        except OSError as error:
            return EventCount(None, _refusal(names, outside, error))
        if threads_of_this_process() != threads and not outside:
            continue
        if busy.running_ns == 0 and busy.enabled_ns > 0:
            return EventCount(None, f"{names} never ran: all hardware counters are taken")
        if busy.multiplexed or idle.multiplexed:
            return EventCount(None, f"{names} was multiplexed: other programs use the counters too")
        counted = busy.value - idle.value
        if outside and counted <= 0:
            return EventCount(None, f"{names}: the rest of the machine caused more than the inferences")
        return EventCount(max(0.0, counted / inferences))
    return EventCount(None, f"{names}: threads came and went in each of {_ATTEMPTS} attempts")


def _idle_then_busy(
    counters: Sequence[OpenEvent], run: Callable[[], None], inferences: int, outside: bool
) -> tuple[Reading, Reading]:
    def read() -> Reading:
        return functools.reduce(operator.add, (counter.read() for counter in counters))

    begin = read()
    for _ in range(inferences):
        _nothing()
    between = read()
    start = time.perf_counter()
    for _ in range(inferences):
        run()
    elapsed = time.perf_counter() - start
    end = read()
    if not outside:
        return between - begin, end - between
    # What counts for whole CPUs counts everybody: as long without us is what the others cause.
    time.sleep(elapsed)
    return read() - end, end - between


def _nothing() -> None:
    """What the empty loop calls."""


def _refusal(names: str, outside: bool, error: OSError) -> str:
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    paranoid = read_text(Path("/proc/sys/kernel/perf_event_paranoid"))
    if outside and error.errno in (errno.EACCES, errno.EPERM):
        remedy = WHOLE_CPUS_REMEDY
    else:
        remedy = pmu_remedy(error.errno, paranoid)
    return f"{names}: perf_event_open fails with {code}. {remedy}"


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
    vendor = processor_vendor()
    if vendor in AMD_VENDORS:
        headline, accesses = _amd_misses(run, inferences), None
    elif vendor != "GenuineIntel":
        # What cache-misses means there may be another level: on Arm it is the first.
        headline, accesses = _sum([counts["LLC-load-misses"], counts["LLC-store-misses"]]), None
    return [
        counter(LLC_MISSES, headline, accesses),
        *(counter(name, found) for name, found in counts.items()),
    ]


def _amd_misses(run: Callable[[], None], inferences: int) -> EventCount:
    """On AMD, `cache-misses` is the second level's (PMCx064); the third has counters of its own."""
    event = amd_l3_misses()
    if event is None:
        return EventCount(None, NO_AMD_L3)
    return count_event(event, run, inferences)


def _memory_traffic(run: Callable[[], None], inferences: int, threads: int) -> list[Counter]:
    events = memory_controller_events()
    if not events:
        return [Counter(LLC_MISSES, None, _SOURCE, None, threads, None, NO_MEMORY_CONTROLLER)]
    # In the same inferences: what the rest of the machine does to one half would cost the whole.
    total = count_together(events, run, inferences)
    parts = (*events, *graphics_request_events())
    counts = [(event.name, count_event(event, run, inferences)) for event in parts]
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
