"""A process that ends when the one that started it does, even by kill -9."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def leave_signals_to_parent() -> None:
    """Begin a process of a pool: who started it decides when it ends, also where Ctrl-C reaches both."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent's thread ends; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
