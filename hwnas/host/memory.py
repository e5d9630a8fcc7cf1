"""How much memory the machine has, and how much of it a new process may use."""

from __future__ import annotations

from pathlib import Path

import psutil

from hwnas.host.cgroup import memory_headroom, read_text


def _meminfo(key: str, root: Path) -> int | None:
    """A value of /proc/meminfo [bytes], or None where the system has none."""
    for line in (read_text(root / "proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def total_memory_bytes(root: Path = Path("/")) -> int:
    """Physical memory that the kernel manages [bytes]."""
    return _meminfo("MemTotal", root) or psutil.virtual_memory().total


def available_memory_bytes(root: Path = Path("/")) -> int:
    """Memory a new process can use without swapping and within the cgroup limits [bytes]."""
    available = _meminfo("MemAvailable", root)
    if available is None:
        available = psutil.virtual_memory().available
    headroom = memory_headroom(root)
    return available if headroom is None else min(available, headroom)
