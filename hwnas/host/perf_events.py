"""Linux perf events: opening, reading and closing counters through the perf_event_open system call."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

#: System call number of perf_event_open (each architecture's unistd table).
_SYSCALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331, "armv7l": 364}

# From the kernel's linux/perf_event.h.
_HARDWARE, _SOFTWARE, _HARDWARE_CACHE = 0, 1, 3
_EXCLUDE_KERNEL = 1 << 5
_EXCLUDE_HYPERVISOR = 1 << 6
_FORMAT_TIMES = 0b11  # total time enabled and total time running
_CLOSE_ON_EXEC = 1 << 3
_ATTRIBUTE_BYTES = 64  # PERF_ATTR_SIZE_VER0, which every kernel accepts
_LAST_LEVEL, _READ, _WRITE, _ACCESS, _MISS = 2, 0 << 8, 1 << 8, 0 << 16, 1 << 16


@dataclass(frozen=True)
class PerfEvent:
    """What to count.

    Args:
        name: As the perf tool spells it.
        type: ``perf_event_attr.type``.
        config: ``perf_event_attr.config``.
        cpus: Count all of these CPUs instead of a thread: events outside the cores belong to no thread.
    """

    name: str
    type: int
    config: int
    cpus: tuple[int, ...] = ()


EVENTS = {
    event.name: event
    for event in (
        PerfEvent("cycles", _HARDWARE, 0),
        PerfEvent("instructions", _HARDWARE, 1),
        PerfEvent("cache-references", _HARDWARE, 2),
        PerfEvent("cache-misses", _HARDWARE, 3),
        PerfEvent("LLC-load-misses", _HARDWARE_CACHE, _LAST_LEVEL | _READ | _MISS),
        PerfEvent("LLC-store-misses", _HARDWARE_CACHE, _LAST_LEVEL | _WRITE | _MISS),
        PerfEvent("task-clock", _SOFTWARE, 1),  # ns
        PerfEvent("page-faults", _SOFTWARE, 2),
    )
}


@dataclass(frozen=True)
class Reading:
    """Sum over everything that was opened.

    Args:
        value: Counts.
        enabled_ns: How long the counters were meant to run [ns].
        running_ns: How long they did [ns]; less where the kernel shared a counter out.
    """

    value: int
    enabled_ns: int
    running_ns: int

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.value + other.value, self.enabled_ns + other.enabled_ns, self.running_ns + other.running_ns
        )

    def __sub__(self, other: Reading) -> Reading:
        return Reading(
            self.value - other.value, self.enabled_ns - other.enabled_ns, self.running_ns - other.running_ns
        )

    @property
    def multiplexed(self) -> bool:
        """Whether the counter was taken away for part of the time, so that the value is a guess."""
        return self.running_ns < self.enabled_ns


class OpenEvent:
    """An event that is being counted, on threads of this process or on CPUs.

    `inherit` sees only threads that start later, and a runtime's pool exists by then: one counter
    a thread is opened.

    Args:
        event: What to count.
        threads: Thread ids; not used for an event with CPUs.

    Raises:
        OSError: The kernel refuses; `errno` says why.
    """

    def __init__(self, event: PerfEvent, threads: Iterable[int]) -> None:
        targets = [(-1, cpu) for cpu in event.cpus] if event.cpus else [(thread, -1) for thread in threads]
        # Counters outside the cores have no privilege levels to leave out.
        exclude = 0 if event.cpus else _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
        self._descriptors: list[int] = []
        try:
            for thread, cpu in targets:
                self._descriptors.append(_open(event, thread, cpu, exclude))
        except OSError:
            self.close()
            raise

    def read(self) -> Reading:
        """Counts since it was opened."""
        parts = [struct.unpack("=QQQ", os.read(descriptor, 24)) for descriptor in self._descriptors]
        value, enabled, running = (sum(column) for column in zip(*parts, strict=True))
        return Reading(value, enabled, running)

    def close(self) -> None:
        """Give the counters back; safe to call twice."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> OpenEvent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(event: PerfEvent, thread: int, cpu: int, exclude: int) -> int:
    number = _SYSCALLS.get(platform.machine())
    if platform.system() != "Linux" or number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    # type, size, config, sample_period, sample_type, read_format, flag bits; the rest stays zero
    fields = (event.type, _ATTRIBUTE_BYTES, event.config, 0, 0, _FORMAT_TIMES, exclude)
    attributes = ctypes.create_string_buffer(struct.pack("=IIQQQQQ", *fields), _ATTRIBUTE_BYTES)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    longs = [ctypes.c_long(value) for value in (thread, cpu, -1, _CLOSE_ON_EXEC)]  # no group
    descriptor = int(syscall(ctypes.c_long(number), attributes, *longs))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


def threads_of_this_process() -> tuple[int, ...]:
    """Thread ids, in ascending order."""
    return tuple(sorted(int(entry.name) for entry in Path("/proc/self/task").iterdir()))
