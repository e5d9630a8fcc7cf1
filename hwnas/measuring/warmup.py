"""Warming up until the speed has settled."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Two adjacent windows whose medians differ by less than this agree.
_AGREES = 0.03
_WINDOW_CALLS = 5
#: A shorter floor does not shorten windows any further [s].
_LONG_WINDOW_S = 0.02


@dataclass(frozen=True)
class WarmUp:
    """How a warm-up went.

    Args:
        call_s: Median duration of one call in the last window [s].
        calls: Calls made.
        elapsed_s: Time it took [s].
        settled: Whether two adjacent windows agreed before the cap.
    """

    call_s: float
    calls: int
    elapsed_s: float
    settled: bool


def warm_up(
    run: Callable[[], None], floor_s: float, cap_s: float, clock: Callable[[], float] = time.perf_counter
) -> WarmUp:
    """Call `run` until two adjacent windows agree within 3 %.

    A window is five calls, or as many as fit a quarter of the floor, or one where a call takes
    all of the floor.
    At least two windows and `floor_s`; beyond two windows it ends with the one in which `cap_s` is over.

    Args:
        run: One inference.
        floor_s: Shortest warm-up [s].
        cap_s: Longest warm-up [s].
        clock: Seconds; injected in tests.
    """
    start = previous_end = clock()
    calls = 0
    medians: list[float] = []
    while True:
        window: list[float] = []
        window_start = previous_end
        while True:
            run()
            now = clock()
            window.append(now - previous_end)
            previous_end = now
            calls += 1
            elapsed_in_window = now - window_start
            if len(window) < _WINDOW_CALLS and elapsed_in_window < max(floor_s, _LONG_WINDOW_S):
                continue
            if elapsed_in_window >= floor_s / 4:
                break
        medians.append(statistics.median(window))
        elapsed = previous_end - start
        if len(medians) < 2:
            continue
        settled = abs(medians[-1] / medians[-2] - 1) < _AGREES
        if (settled and elapsed >= floor_s) or elapsed >= cap_s:
            return WarmUp(medians[-1], calls, elapsed, settled)
