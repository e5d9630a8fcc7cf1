"""The heap of a worker: steady, and given back when asked."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import psutil
import pytest

from hwnas.host.allocator import STEADY_HEAP, heap_settings, return_freed_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc only")

# Blocks above glibc's own threshold: as shipped each is mapped, touched and unmapped.
_CHURN = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def call():
    blocks = [libc.malloc({block}) for _ in range(4)]
    for b in blocks: ctypes.memset(b, 1, {block})
    for b in blocks: libc.free(b)
# Huge pages would be touched by few faults: PR_SET_THP_DISABLE.
libc.prctl(41, 1, 0, 0, 0)
libc.mallopt(-3, 2**20) if {mapped} else None
call(); call()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): call()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(variables: dict[str, str], block_bytes: int, mapped: bool = False) -> int:
    """Page faults of ten calls that take four blocks and free them."""
    code = _CHURN.replace("{mapped}", str(mapped)).replace("{block}", str(block_bytes))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("block_bytes", [2**23, 2**26])
def test_a_steady_heap_takes_no_page_faults(block_bytes: int) -> None:
    """Blocks of 64 MiB are beyond the largest threshold for mapping that glibc accepts."""
    pages = 10 * 4 * block_bytes // mmap.PAGESIZE
    assert _faults({}, block_bytes, mapped=True) > pages / 2
    assert _faults(dict(STEADY_HEAP), block_bytes) < 500


def test_what_is_in_force_can_be_read_back() -> None:
    variables = {**STEADY_HEAP, "LD_PRELOAD": "libjemalloc.so", "HOME": "/nowhere"}
    assert heap_settings(variables) == {**STEADY_HEAP, "LD_PRELOAD": "libjemalloc.so"}


def test_freed_memory_goes_back() -> None:
    blocks = [bytearray(b"x") * 100_000 for _ in range(1000)]
    full = psutil.Process().memory_info().rss
    del blocks
    return_freed_memory()
    assert psutil.Process().memory_info().rss < full - 50_000_000
