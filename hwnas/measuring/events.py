"""What a running campaign tells those who watch it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
        budget_s: Time that all of it was given [s], where time and not a plan ends it.
    """

    done: int
    total: int
    elapsed_s: float
    remaining_s: float | None
    workload: Workload
    pass_index: int
    passes: int
    activity: str
    budget_s: float | None = None


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


class NoticeKeeper:
    """Passes everything on to another watcher, and keeps its notices.

    Args:
        watcher: The other one.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.notices: list[str] = []

    def progress(self, progress: Progress) -> None:
        """Passed on."""
        self._watcher.progress(progress)

    def finished(self, measurements: list[Measurement]) -> None:
        """Passed on."""
        self._watcher.finished(measurements)

    def notice(self, text: str) -> None:
        """Passed on, and kept in `notices`."""
        self.notices.append(text)
        self._watcher.notice(text)


class TimedWatcher:
    """Tells another watcher of progress in time: of plan after plan, until a budget is spent.

    Args:
        watcher: The other one.
        start: Time of :func:`time.monotonic` when the first plan began.
        budget_s: Time for all of them [s].
        done: Cells of other plans: how many, or who knows it where they go on.
    """

    def __init__(self, watcher: Watcher, start: float, budget_s: float, done: int | Callable[[], int]) -> None:
        self._watcher, self._start, self._budget_s, self._done = watcher, start, budget_s, done

    def progress(self, progress: Progress) -> None:
        """Told with the cells of all plans, and with what is left of the budget; counts stay those of one."""
        elapsed_s = time.monotonic() - self._start
        others = self._done if isinstance(self._done, int) else self._done()
        if not progress.passes:
            others = 0
        self._watcher.progress(
            replace(
                progress,
                done=others + progress.done,
                total=others + progress.total,
                elapsed_s=elapsed_s,
                remaining_s=max(0.0, self._budget_s - elapsed_s),
                budget_s=self._budget_s,
            )
        )

    def finished(self, measurements: list[Measurement]) -> None:
        """Passed on."""
        self._watcher.finished(measurements)

    def notice(self, text: str) -> None:
        """Passed on."""
        self._watcher.notice(text)
