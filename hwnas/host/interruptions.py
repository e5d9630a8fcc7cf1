"""What took the CPU away from this process: the hypervisor and the scheduler."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from hwnas.host.noise import read_cpu_ticks


@dataclass(frozen=True)
class Interruptions:
    """Counts since some moment; subtract two readings.

    Args:
        steal_ticks: Clock ticks that the hypervisor gave to other guests, or None where not told.
        preemptions: Involuntary context switches of this process.
    """

    steal_ticks: int | None
    preemptions: int

    def __sub__(self, earlier: Interruptions) -> Interruptions:
        both = self.steal_ticks is not None and earlier.steal_ticks is not None
        steal = self.steal_ticks - earlier.steal_ticks if both else None  # type: ignore[operator]
        return Interruptions(steal, self.preemptions - earlier.preemptions)


def read_interruptions() -> Interruptions:
    """The counts of this process and machine up to now."""
    ticks = read_cpu_ticks()
    return Interruptions(ticks.steal if ticks else None, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)
