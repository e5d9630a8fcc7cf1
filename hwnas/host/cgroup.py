"""CPU and memory limits that control groups, version 1, 2 or both, put on this process.

A limit set on any ancestor holds for everything below it, so each function looks along the
whole path from the process's own group up to the mount point.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: Version 1 says "no limit" with the largest page-aligned 64-bit number, which depends on the page size.
_UNLIMITED_BYTES = 2**62


def read_text(path: Path) -> str | None:
    """A file of /proc or /sys without surrounding white space, or None if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip(" \t\n\0")
    except OSError:
        return None


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the process's groups that may limit `controller`, each with its ancestors."""
    own: dict[str, PurePosixPath] = {}
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, folder = line.split(":", 2)
        own.update((name, PurePosixPath(folder)) for name in controllers.split(","))

    for line in (read_text(root / "proc/self/mountinfo") or "").splitlines():
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.partition(" ")
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and controller in options.rpartition(" ")[2].split(","):
            path = own.get(controller)
        else:
            continue
        if path is None:
            continue
        mount_root, mount_point = mount.split()[3:5]
        # In a container the mount may show only a part of the tree, or the path may lie outside it.
        visible = path.is_relative_to(mount_root) and ".." not in path.parts
        inside = path.relative_to(mount_root) if visible else PurePosixPath()
        top = root / mount_point.lstrip("/")
        yield from (top / part for part in (inside, *inside.parents))


def cpu_limit(root: Path = Path("/")) -> float | None:
    """CPU time this process may use, in CPUs (1.5 is one and a half), or None without a limit."""
    limits = []
    for group in _groups("cpu", root):
        quota, _, period = (read_text(group / "cpu.max") or "max").partition(" ")
        if quota != "max":
            limits.append(int(quota) / int(period))
        quota_us = int(read_text(group / "cpu.cfs_quota_us") or -1)
        if quota_us > 0:
            limits.append(quota_us / int(read_text(group / "cpu.cfs_period_us") or 100_000))
    return min(limits, default=None)


def _memory_limits(root: Path) -> Iterator[tuple[Path, int]]:
    """Every group that limits memory, with its limit [bytes]."""
    for group in _groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = read_text(group / name) or "max"
            if text != "max" and int(text) < _UNLIMITED_BYTES:
                yield group, int(text)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Memory this process and its group may use [bytes], or None without a limit."""
    return min((limit for _, limit in _memory_limits(root)), default=None)


def _memory_in_use(group: Path) -> int:
    """Memory a group uses without the file cache that the kernel would give back [bytes]."""
    used = int(read_text(group / "memory.current") or read_text(group / "memory.usage_in_bytes") or 0)
    statistics = dict(line.split() for line in (read_text(group / "memory.stat") or "").splitlines())
    # Version 1 keeps the sum over the group's children under another name.
    reclaimable = int(statistics.get("total_inactive_file") or statistics.get("inactive_file") or 0)
    return max(0, used - reclaimable)


def memory_headroom(root: Path = Path("/")) -> int | None:
    """What the limits leave for new allocations [bytes], or None without a limit.

    Inactive file cache counts as free, as it does in MemAvailable: otherwise a group that has
    read a large file would look full.
    """
    rooms = (max(0, limit - _memory_in_use(group)) for group, limit in _memory_limits(root))
    return min(rooms, default=None)
