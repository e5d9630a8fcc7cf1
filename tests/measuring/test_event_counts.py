"""Counting events on every thread of a process, on software events where there is no PMU."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections import deque
from typing import ClassVar

import pytest

from hwnas.host.cpus import usable_threads
from hwnas.host.perf_events import EVENTS, OpenEvent, PerfEvent, Reading
from hwnas.measuring import event_counts
from hwnas.measuring.event_counts import EventCount, count_event, count_together, pmu_counters

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="perf events are Linux's")


def _software_events_work() -> bool:
    try:
        OpenEvent(EVENTS["task-clock"], (0,)).close()
    except OSError:
        return False
    return True


needs_software_events = pytest.mark.skipif(
    not _software_events_work(), reason="this kernel or container refuses perf_event_open"
)

# One process a runtime: their pools must not meet. Prints what the worker's own code counts, what the system
# accounts to the process, and what it accounts to the thread that calls.
_POOL = """
import json, mmap, sys, time
import torch
from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.host.perf_events import EVENTS
from hwnas.measuring import event_counts
from hwnas.measuring.count_in_worker import counted_by_processor
torch.set_num_threads(2)
network = torch.nn.Sequential(*[torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(6)]).eval()
program = Program((torch.randn(1, 64, 96, 96),), network)
session = backend(sys.argv[1]).compile(program, 2)
for _ in range(5):
    session.run()
class Accounted:
    process, thread = [], []
    def run(self):
        process, thread = time.process_time(), time.thread_time()
        session.run()
        self.process.append(time.process_time() - process)
        self.thread.append(time.thread_time() - thread)
accounted = Accounted()
# A clock of the kernel's own beside the events that hypervisors hide.
event_counts._CORE_EVENTS += ("task-clock",)
count_event, during = event_counts.count_event, {}
def count(event, run, inferences):
    found = count_event(event, run, inferences)
    # Of the very inferences that were counted: those under other events may have met another speed of the host.
    during[event.name] = accounted.process[-inferences:], accounted.thread[-inferences:]
    return found
event_counts.count_event = count
counters = {c.event: c for c in counted_by_processor(accounted, 0.01, 2, "cpu")}
found = counters["task-clock"]
def touch():
    with mmap.mmap(-1, 256 * mmap.PAGESIZE) as fresh:
        fresh.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(256):
            fresh[page * mmap.PAGESIZE] = 1
single = count_event(EVENTS["page-faults"], touch, 5)
process_ns, thread_ns = (sum(seconds) / max(1, len(seconds)) * 1e9 for seconds in during["task-clock"])
print(json.dumps([found.value, found.reason, process_ns, thread_ns, single.value]))
"""


@needs_software_events
@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_sees_the_threads_of_the_pool(backend_id: str) -> None:
    """At least 95 % of the CPU time that the operating system accounts to the whole process."""
    done = subprocess.run([sys.executable, "-c", _POOL, backend_id], capture_output=True, text=True, check=True)
    counted_ns, reason, process_ns, thread_ns, faults = json.loads(done.stdout.splitlines()[-1])
    assert reason == ""
    assert counted_ns >= 0.95 * process_ns
    if usable_threads() > 1:
        # Else a counter of the calling thread alone would pass as well.
        assert thread_ns < 0.9 * process_ns
    assert 256 <= faults < 300


class _Scripted:
    """An open event whose readings are written down beforehand."""

    readings: ClassVar[deque[Reading]] = deque()

    def __init__(self, event: PerfEvent, threads: object) -> None:
        pass

    def read(self) -> Reading:
        return self.readings.popleft()

    def __enter__(self) -> _Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _script(monkeypatch: pytest.MonkeyPatch, *readings: tuple[int, int, int]) -> None:
    monkeypatch.setattr(event_counts, "OpenEvent", _Scripted)
    _Scripted.readings = deque(Reading(*r) for r in readings)


def test_the_empty_loop_is_subtracted(monkeypatch: pytest.MonkeyPatch) -> None:
    _script(monkeypatch, (100, 0, 0), (150, 10, 10), (1200, 20, 20))
    assert count_event(EVENTS["cache-misses"], lambda: None, 10).value == 100


def test_a_multiplexed_reading_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    _script(monkeypatch, (0, 0, 0), (0, 10, 10), (900, 110, 60))
    found = count_event(EVENTS["cache-misses"], lambda: None, 1)
    assert found.value is None
    assert "multiplexed" in found.reason


def test_a_counter_that_never_ran_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    _script(monkeypatch, (0, 0, 0), (0, 0, 0), (0, 100, 0))
    found = count_event(EVENTS["cache-misses"], lambda: None, 1)
    assert found.value is None
    assert "never ran" in found.reason


def test_whole_cpus_are_compared_with_as_long_without_us(monkeypatch: pytest.MonkeyPatch) -> None:
    event = PerfEvent("l3-misses", 9, 0x104, cpus=(0,))
    _script(monkeypatch, (0, 0, 0), (5, 1, 1), (1005, 11, 11), (1205, 21, 21))
    assert count_event(event, lambda: None, 4).value == (1000 - 200) / 4


def test_events_that_are_counted_together_are_summed_before_they_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reads and writes of the memory controller: fewer writes than without us, and yet more of both."""
    events = [PerfEvent(name, 14, 1, cpus=(0,)) for name in ("reads", "writes")]
    zero = [(0, 0, 0)] * 4
    _script(monkeypatch, *zero, (1000, 10, 10), (100, 10, 10), (1300, 20, 20), (250, 20, 20))
    assert count_together(events, lambda: None, 2).value == (1100 - 450) / 2


def test_a_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(event_counts, "OpenEvent", refuse)
    core = count_event(EVENTS["cache-misses"], lambda: None, 1)
    whole = count_event(PerfEvent("l3-misses", 9, 0x104, cpus=(0,)), lambda: None, 1)
    assert core.value is None
    assert "EACCES" in core.reason
    assert "perf_event_paranoid=0" in whole.reason


def test_amd_never_passes_second_level_misses_for_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "processor_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(event_counts, "amd_l3_misses", lambda: None)
    monkeypatch.setattr(event_counts, "count_event", lambda *_: event_counts.EventCount(1000.0))
    counters = {c.event: c for c in pmu_counters(lambda: None, 1, 1, "cpu")}
    assert counters["llc-misses"].value is None
    assert "amd_l3" in counters["llc-misses"].reason
    assert counters["cache-misses"].value == 1000.0


def test_elsewhere_loads_and_stores_of_the_last_level_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Arm, cache-misses are the first level's."""
    counts = {"LLC-load-misses": EventCount(70.0), "LLC-store-misses": EventCount(5.0)}
    monkeypatch.setattr(event_counts, "processor_vendor", lambda: None)
    monkeypatch.setattr(
        event_counts, "count_event", lambda event, *_: counts.get(event.name, EventCount(1000.0))
    )
    assert pmu_counters(lambda: None, 1, 1, "cpu")[0].value == 75.0
    counts["LLC-store-misses"] = EventCount(None, "ENOENT")
    first = pmu_counters(lambda: None, 1, 1, "cpu")[0]
    assert (first.value, first.reason) == (None, "ENOENT")


def test_on_intel_cache_misses_are_the_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "processor_vendor", lambda: "GenuineIntel")
    monkeypatch.setattr(event_counts, "count_event", lambda *_: event_counts.EventCount(1000.0))
    first = pmu_counters(lambda: None, 1, 2, "cpu")[0]
    assert (first.event, first.value, first.accesses, first.threads) == ("llc-misses", 1000.0, 1000.0, 2)


def test_a_gpu_without_memory_counters_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "memory_controller_events", lambda: ())
    (counter,) = pmu_counters(lambda: None, 1, 1, "gpu")
    assert counter.value is None
    assert "uncore_imc" in counter.reason


def test_a_gpu_is_counted_at_the_memory_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    events = (PerfEvent("uncore_imc/data_reads", 14, 1, (0,)), PerfEvent("uncore_imc/data_writes", 14, 2, (0,)))
    monkeypatch.setattr(event_counts, "memory_controller_events", lambda: events)
    monkeypatch.setattr(event_counts, "count_event", lambda *_: event_counts.EventCount(500.0))
    monkeypatch.setattr(event_counts, "count_together", lambda *_: event_counts.EventCount(1000.0))
    requests = (PerfEvent("uncore_imc/gt_requests", 14, 3, (0,)),)
    monkeypatch.setattr(event_counts, "graphics_request_events", lambda: requests)
    counters = pmu_counters(lambda: None, 1, 1, "gpu")
    # What the GPU itself asked for is a part of the traffic and stands beside it.
    assert [(c.event.rpartition("/")[2], c.value) for c in counters] == [
        ("llc-misses", 1000.0),
        ("data_reads", 500.0),
        ("data_writes", 500.0),
        ("gt_requests", 500.0),
    ]
