"""Counters outside the cores: AMD's L3 and Intel's memory controller, as the kernel describes them in sysfs."""

from __future__ import annotations

import re
from pathlib import Path

from hwnas.host.cgroup import read_text
from hwnas.host.cpus import cpu_list
from hwnas.host.perf_events import PerfEvent

_DEVICES = "sys/bus/event_source/devices"

#: Why there is no count of AMD's L3 misses.
NO_AMD_L3 = "this kernel has no device amd_l3, and AMD's cache-misses are the second level's"

#: AMD's L3 misses, by every core and slice: event 0x04, unit mask 0x01
#: (AMD Processor Programming Reference, family 17h and 19h, "L3 PMC04 l3_lookup_state").
_AMD_L3_MISS = 0x0104


def amd_l3_misses(root: Path = Path("/")) -> PerfEvent | None:
    """All L3 misses of this socket's L3 caches, or None where the kernel has no such device."""
    return _device_event("amd_l3", "amd_l3/l3-misses", _AMD_L3_MISS, root)


def memory_controller_events(root: Path = Path("/")) -> tuple[PerfEvent, ...]:
    """Reads and writes of Intel's memory controllers, one event each, in lines of 64 B; empty without one.

    On client processors their traffic includes the integrated GPU's.
    """
    # Client processors say reads, newer ones read.
    return _controller_events(("data_reads", "data_writes", "data_read", "data_write"), root)


def graphics_request_events(root: Path = Path("/")) -> tuple[PerfEvent, ...]:
    """The integrated GPU's own requests to memory, a part of the traffic; some client processors count them."""
    return _controller_events(("gt_requests",), root)


def _controller_events(names: tuple[str, ...], root: Path) -> tuple[PerfEvent, ...]:
    found = []
    devices = root / _DEVICES
    for device in sorted(devices.glob("uncore_imc*")) if devices.is_dir() else ():
        for name in names:
            text = read_text(device / "events" / name)
            config = _config(text) if text else None
            if config is not None:
                event = _device_event(device.name, f"{device.name}/{name}", config, root)
                if event is not None:
                    found.append(event)
    return tuple(found)


def _config(text: str) -> int | None:
    """``event=0x01,umask=0x2`` as one number, in the layout that all uncore devices share."""
    parts = dict(re.findall(r"(event|umask)=(0x[0-9a-fA-F]+|\d+)", text))
    if "event" not in parts:
        return None
    return int(parts["event"], 0) | int(parts.get("umask", "0"), 0) << 8


def _device_event(device: str, name: str, config: int, root: Path) -> PerfEvent | None:
    folder = root / _DEVICES / device
    kind, mask = read_text(folder / "type"), read_text(folder / "cpumask")
    if not kind or not kind.isdigit() or not mask:
        return None
    return PerfEvent(name, int(kind), config, tuple(sorted(cpu_list(mask))))
