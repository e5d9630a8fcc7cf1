"""How a running campaign shows: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from hwnas.core.measurement import Measurement, Status
from hwnas.core.units import format_duration, format_seconds
from hwnas.measuring.events import Progress as Step


class TerminalWatcher:
    """A progress bar with the current cell and the time left.

    Reasons and names are printed as :class:`~rich.text.Text`: brackets in them are no markup.
    It is drawn when the campaign moves on and never by a thread, which would disturb timing.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[cells]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, cells="", left="")

    def __enter__(self) -> TerminalWatcher:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def progress(self, progress: Step) -> None:
        """Move the bar: by cells, or by time where that ends it."""
        completed, total = float(progress.done), float(progress.total)
        if progress.budget_s is not None:
            completed, total = progress.elapsed_s, progress.budget_s
        what = "cells" if progress.passes else "counts"
        self._bar.update(
            self._task,
            completed=min(completed, total),
            total=total,
            cells=f"{_tally(progress, progress.done)} {what}",
            left=_left(progress),
            description=f"{_pass(progress)}{progress.activity} {progress.workload.label}",
        )
        self._bar.refresh()

    def doing(self, text: str) -> None:
        """Say what is done between measurements."""
        self._bar.update(self._task, description=text)
        self._bar.refresh()

    def finished(self, measurements: list[Measurement]) -> None:
        """Print what failed above the bar; a skipped device is told once, at the end."""
        for m in measurements:
            if m.status in (Status.FAILED, Status.REFUSED):
                self._console.print(Text(f"{m.workload.label} on {m.backend}: {m.status}: {m.reason}"))

    def notice(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(Text(f"note: {text}"))


class LineWatcher:
    """One plain line a group, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step: Step | None = None
        self._said = ""

    def __enter__(self) -> LineWatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def progress(self, progress: Step) -> None:
        """Remember where the campaign stands; a count, which may take minutes, is told as it begins."""
        self._step = progress
        self._said = ""
        if not progress.passes:
            where = f"[{_place(progress, progress.done + 1)}] {progress.workload.label}: {progress.activity}"
            self._console.print(Text(f"{where} ({_left(progress)})"), soft_wrap=True)

    def doing(self, text: str) -> None:
        """Say what is done between measurements, each kind once: what stands before a colon."""
        kind = text.partition(":")[0]
        if kind != self._said:
            self._console.print(Text(f"{kind} ..."), soft_wrap=True)
        self._said = kind

    def finished(self, measurements: list[Measurement]) -> None:
        """Print the group's raw medians, or what became of it."""
        step = self._step
        done = step.done + len(measurements) if step else 0
        where = f"[{_place(step, done)}] " if step else ""
        going_on = step and step.remaining_s is not None and (step.budget_s is not None or done < step.total)
        left = f" ({_left(step)})" if step and going_on else ""
        parts = []
        for m in measurements:
            median = m.median_s
            parts.append(f"{m.backend} {format_seconds(median) if median is not None else m.status}")
        line = f"{where}{measurements[0].workload.label}: {', '.join(parts)}{left}"
        self._console.print(Text(line), soft_wrap=True)
        for m in measurements:
            if m.status in (Status.FAILED, Status.REFUSED):
                self._console.print(Text(f"  {m.backend} {m.status}: {m.reason}"), soft_wrap=True)

    def notice(self, text: str) -> None:
        """Print as a line."""
        self._console.print(Text(f"note: {text}"), soft_wrap=True)


def _pass(progress: Step) -> str:
    return f"pass {progress.pass_index + 1}/{progress.passes}: " if progress.passes else ""


def _place(progress: Step, done: int) -> str:
    """Which cell or count it is: of a plan, or so far."""
    tally = _tally(progress, done)
    return f"cell {tally}" if tally.isdecimal() else tally


def _tally(progress: Step, done: int) -> str:
    """How many are done, and of how many: of the cells that time ends, nobody knows."""
    of_a_plan = progress.budget_s is None or not progress.passes
    return f"{done}/{progress.total}" if of_a_plan else f"{done}"


def _left(progress: Step) -> str:
    if progress.remaining_s is None:
        return "time left: not known yet"
    given = "" if progress.budget_s is None else f" of {format_duration(progress.budget_s)}"
    return f"about {format_duration(progress.remaining_s)}{given} left"


def watcher_for(console: Console) -> TerminalWatcher | LineWatcher:
    """The watcher that suits where the output goes."""
    return TerminalWatcher(console) if console.is_terminal else LineWatcher(console)
