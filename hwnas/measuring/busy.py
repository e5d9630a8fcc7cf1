"""Noticing that the machine does something else while it is being measured."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from hwnas.core.measurement import Measurement

#: How often a second another process may take the CPU before it is said. A quiet machine's services stay far
#: below.
MOST_PREEMPTIONS_PER_S = 10.0
#: Linux accounts stolen time in ticks of 1/100 s.
_TICK_S = 0.01
#: Share of the timed period that the hypervisor gave to other guests.
_STOLEN = 0.02


class BusyWatch:
    """Looks at each group's interruptions, and speaks when a new kind of trouble begins."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def judge(self, measurements: Sequence[Measurement]) -> str:
        """A sentence about what disturbs this machine, or an empty string.

        The same trouble is told once, until a group goes by without it.
        """
        blocks = [b for m in measurements for b in m.blocks]
        if not blocks:
            return ""
        seen = set()
        timed_s = sum(sum(b.samples_s) * m.calls_per_sample for m in measurements for b in m.blocks)
        preemptions = sum(b.preemptions or 0 for b in blocks)
        # The kernel tells one figure for all CPUs.
        stolen_ticks = sum(b.steal_ticks or 0 for b in blocks)
        if _beyond_chance(preemptions, MOST_PREEMPTIONS_PER_S * timed_s):
            seen.add("preempted")
        if _beyond_chance(stolen_ticks, _STOLEN * timed_s * (os.cpu_count() or 1) / _TICK_S):
            seen.add("stolen")
        new = seen - self._said
        self._said = seen
        texts = {
            "preempted": "this machine is busy: other processes took the CPU in many samples; "
            "close them, or expect wide intervals",
            "stolen": "the hypervisor gives CPU time to other guests; intervals get wider, "
            "and verdicts may be UNCLEAR",
        }
        return "; ".join(texts[kind] for kind in sorted(new))


def _beyond_chance(events: int, usual: float) -> bool:
    """Whether so many events are more than a Poisson process of that mean has now and then.

    Three sigma, and two more: where hardly any is usual, their distribution is far from normal.
    """
    return events > usual + 3 * math.sqrt(usual) + 2
