"""What a running campaign tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from hwnas.core.measurement import Measurement
from hwnas.core.workload import Workload


@dataclass(frozen=True)
class Progress:
    """Where a campaign stands.

    Args:
        done: Cells finished, those of earlier runs included (a cell is one arm in one pass); or counts.
        total: Cells of the plan.
        elapsed_s: Time since this run began [s].
        remaining_s: Estimate of the time left [s], None before the first cell of this run.
        workload: What is being measured.
        pass_index: Current pass, from 0.
        passes: Passes of the plan; 0 after the last one, while cache misses are counted.
        activity: ``preparing``, ``timing`` or what is being counted.
    """

    done: int
    total: int
    elapsed_s: float
    remaining_s: float | None
    workload: Workload
    pass_index: int
    passes: int
    activity: str


class Watcher(Protocol):
    """Receives events; must return quickly, since timing waits for it."""

    def progress(self, progress: Progress) -> None:
        """The campaign moved on."""
        ...

    def finished(self, measurements: list[Measurement]) -> None:
        """One group is stored."""
        ...

    def notice(self, text: str) -> None:
        """Something a person should know, such as a busy machine."""
        ...


@dataclass
class Silent:
    """A watcher that keeps notices and says nothing."""

    notices: list[str] = field(default_factory=list)

    def progress(self, progress: Progress) -> None:
        """Ignored."""

    def finished(self, measurements: list[Measurement]) -> None:
        """Ignored."""

    def notice(self, text: str) -> None:
        """Kept in `notices`."""
        self.notices.append(text)
