"""Which CPUs this process may use, and which of them suit a measurement."""

from __future__ import annotations

import math
import os
from pathlib import Path

from hwnas.host.cgroup import cpu_limit, read_text

#: Hygon builds AMD's cores.
AMD_VENDORS = ("AuthenticAMD", "HygonGenuine")


def processor_vendor(root: Path = Path("/")) -> str | None:
    """``vendor_id`` of /proc/cpuinfo, or None where the processor tells none, as Arm's do."""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        if line.startswith("vendor_id"):
            return line.partition(":")[2].strip()
    return None


def allowed_cpus() -> list[int]:
    """The logical CPUs that this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_list(text: str) -> set[int]:
    """The kernel's list format: ``0-2,8`` is {0, 1, 2, 8}."""
    ranges = (part.partition("-") for part in text.split(",") if part)
    return {cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)}


def usable_threads(root: Path = Path("/")) -> int:
    """Threads that can run at once: allowed CPUs, or fewer under a container's quota."""
    quota = cpu_limit(root)
    allowed = len(allowed_cpus())
    return allowed if quota is None else max(1, min(allowed, math.floor(quota)))


def measuring_cpus(threads: int, root: Path = Path("/")) -> tuple[int, ...] | None:
    """The CPUs to bind a worker to, so that the canary and the network meet the same cores.

    The fastest kind of core first (hybrid processors have two), one logical CPU of each physical
    core before any second one, and among equals the last ones, since interrupts favour the first.

    Args:
        threads: How many CPUs are wanted.
        root: Where /sys hangs; for tests.

    Returns:
        None where all allowed CPUs are wanted, or where the system has no affinity.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = allowed_cpus()
    if threads >= len(allowed):
        return None
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, int, int]] = []
    for cpu in reversed(allowed):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}"
        siblings = read_text(folder / "topology/thread_siblings_list") or str(cpu)
        turn = seen[siblings] = seen.get(siblings, -1) + 1
        ranked.append((turn, -_speed(folder), len(ranked), cpu))
    # All first siblings of fast cores, then those of slow cores, then the second siblings.
    return tuple(sorted(cpu for *_, cpu in sorted(ranked)[:threads]))


def _speed(folder: Path) -> int:
    """What the kernel tells of a core's speed: its capacity, else its highest frequency, else 0."""
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        text = read_text(folder / name)
        if text and text.strip().isdigit():
            return int(text)
    return 0
