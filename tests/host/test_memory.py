from __future__ import annotations

import psutil

from hwnas.host.memory import available_memory_bytes, total_memory_bytes

MEMINFO = "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    4000000 kB"
LIMITED = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "0::/job",
    "proc/self/mountinfo": "30 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    "sys/fs/cgroup/job/memory.current": 2**30,
}


def test_without_a_limit_the_kernel_decides(tree):
    root = tree({"proc/meminfo": MEMINFO})
    assert total_memory_bytes(root) == 8_000_000 * 1024
    assert available_memory_bytes(root) == 4_000_000 * 1024


def test_a_tight_limit_decides(tree):
    root = tree({**LIMITED, "sys/fs/cgroup/job/memory.max": 3 * 2**30})
    assert available_memory_bytes(root) == 2 * 2**30


def test_a_loose_limit_does_not(tree):
    root = tree({**LIMITED, "sys/fs/cgroup/job/memory.max": 6 * 2**30})
    assert available_memory_bytes(root) == 4_000_000 * 1024


def test_a_system_without_meminfo_is_asked_through_psutil(tmp_path):
    assert total_memory_bytes(tmp_path) == psutil.virtual_memory().total
    assert 0 < available_memory_bytes(tmp_path) < total_memory_bytes(tmp_path)
