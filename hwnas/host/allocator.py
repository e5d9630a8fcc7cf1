"""Keeping a measuring process's heap steady between calls."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

#: glibc's malloc gives the top of the heap back to the kernel, or maps large blocks afresh, by thresholds
#: that move with what the process did before. PyTorch allocates its activations on each call, so one process
#: took no page fault a call and the next one 6000, at twice the latency. These keep freed memory in the
#: process: no block is mapped by itself, of whatever size, and the heap's top stays up to 1 GiB.
#: Source: mallopt(3), M_MMAP_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD. Other allocators ignore them.
STEADY_HEAP: Mapping[str, str] = {
    "MALLOC_MMAP_MAX_": "0",
    # Unused while nothing is mapped; set because a fixed threshold stops glibc from moving both of them.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


def heap_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The allocator's settings in a process's environment variables."""
    names = ("LD_PRELOAD", "GLIBC_TUNABLES")
    return {k: v for k, v in environment.items() if k in names or k.startswith("MALLOC_")}


def return_freed_memory() -> None:
    """Give freed memory back to the kernel, where the C library can (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
