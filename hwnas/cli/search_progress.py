"""How a running search shows: a line that follows it on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from hwnas.core.units import format_duration, format_seconds
from hwnas.jobs.defaults import trials_of
from hwnas.jobs.listener import JobListener
from hwnas.jobs.options import NETADAPT, SearchOptions
from hwnas.searching.limit import Judgement
from hwnas.searching.trial import Trial, TrialState
from hwnas.training.accuracy import EpochReport

#: Shares of a whole search that come after its evaluations, for the time left: finalists and files.
_AFTERWARDS = 0.15
#: Where there is nothing to draw on, what goes on besides trials is told so seldom.
_SELDOM_S = 10.0


class SearchProgress(JobListener):
    """Prints what ends, and draws where the search stands.

    Args:
        console: To print on.
        options: Of the search.
    """

    def __init__(self, console: Console, options: SearchOptions) -> None:
        self._console, self._options = console, options
        #: None where something else ends the search.
        self._trials = None if options.engine == NETADAPT else trials_of(options)
        self._bar: Progress | None = None
        self._evaluated = self._resumed = self._ruled_out = 0
        self._best: Trial | None = None
        #: When this run began its first evaluation: learning latencies before it is done once.
        self._began: float | None = None
        self._said = -_SELDOM_S
        self._noticed: set[str] = set()
        #: By evaluations of earlier runs [s].
        self._spent_s = 0.0

    def __enter__(self) -> SearchProgress:
        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[networks]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(
            "starting",
            total=self._options.budget_s if self._trials is None else self._trials,
            left="",
            networks=self._networks(),
        )
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def resumed(self, finished: int, left_behind: int) -> None:
        """Say what is known already."""
        self._evaluated = self._resumed = finished
        self._say(f"Going on: {finished} networks are evaluated already, {left_behind} were under way")

    def spent(self, seconds: float) -> None:
        """For the time that is left of a budget."""
        self._spent_s = seconds

    def started(self, number: int, text: str, judgement: Judgement) -> None:
        """Draw."""
        if self._began is None:
            self._began = time.monotonic()
        self.phase(f"trial {number}: {text}")

    def epoch(self, number: int, progress: EpochReport) -> None:
        """Draw."""
        self._draw(
            f"trial {number}: epoch {progress.epoch}/{progress.epochs}, accuracy {progress.accuracy:.1%}"
        )

    def ended(self, trial: Trial, evaluations: int) -> None:
        """Print a network that was evaluated; count one that was ruled out."""
        self._evaluated = evaluations
        if trial.state is TrialState.INFEASIBLE:
            self._ruled_out += 1
            return
        if trial.state is TrialState.FAILED:
            self._say(f"trial {trial.number} failed: {trial.note}")
            return
        if trial.repeats is not None:
            return
        better = self._best is None or (trial.accuracy or 0.0) > (self._best.accuracy or 0.0)
        if trial.state is TrialState.COMPLETE and better:
            self._best = trial
        self._say(f"[{self._counted(evaluations)}] {_told(trial)}{self._left()}")

    def phase(self, text: str) -> None:
        """Draw, and print where there is nothing to draw on."""
        now = time.monotonic()
        if self._bar is None and not text.startswith("trial ") and now - self._said >= _SELDOM_S:
            self._said = now
            self._say(text)
        self._draw(text)

    def notice(self, text: str) -> None:
        """Print, once."""
        if text not in self._noticed:
            self._noticed.add(text)
            self._say(f"note: {text}")

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def _draw(self, text: str) -> None:
        if self._bar is None:
            return
        best = f"best {self._best.accuracy:.1%}; " if self._best and self._best.accuracy is not None else ""
        self._bar.update(
            self._task,
            completed=self._completed(),
            left=self._left(),
            networks=self._networks(),
            description=best + text,
        )
        self._bar.refresh()

    def _networks(self) -> str:
        """How many are evaluated; NetAdapt has one alone, which it shrinks."""
        if self._options.engine == NETADAPT:
            return ""
        counted = self._counted(self._evaluated)
        return f"{counted} network" if counted == "1" else f"{counted} networks"

    def _counted(self, evaluations: int) -> str:
        """So many, of all where that is known."""
        return str(evaluations) if self._trials is None else f"{evaluations}/{self._trials}"

    @property
    def _elapsed_s(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    def _completed(self) -> float:
        """How far the bar has come: in networks, or in seconds where the time alone ends the search."""
        if self._trials is None and self._options.budget_s is not None:
            return min(self._options.budget_s, self._spent_s + self._elapsed_s)
        return self._evaluated

    def _left(self) -> str:
        """Time that evaluations like those of this run still take, at most what is left of the time."""
        done = self._evaluated - self._resumed
        if self._began is None or (self._trials is not None and done < 1):
            return ""
        elapsed, left = self._elapsed_s, math.inf
        if self._trials is not None:
            left = elapsed / done * max(0, self._trials - self._evaluated)
        if self._options.budget_s is not None:
            left = min(left, max(0.0, self._options.budget_s - self._spent_s - elapsed))
        return f" (about {format_duration(left + _AFTERWARDS * (elapsed + left))} left)"


def _told(trial: Trial) -> str:
    facts = [] if trial.accuracy is None else [f"accuracy {trial.accuracy:.1%}"]
    facts += ["given up"] if trial.state is TrialState.PRUNED else []
    facts += [
        f"{name.removeprefix('latency ')} {format_seconds(cost.median)}"
        for name, cost in trial.costs.items()
        if name.startswith("latency ")
    ]
    return f"{trial.text}: {', '.join(facts)}"


def summary(record: Mapping[str, Any], out: Path) -> Iterator[str]:
    """What a search has found, in lines for people."""
    winner = record["winner"]
    if winner is None:
        yield "No network was evaluated to its end."
        return
    from hwnas.report.search.page import accuracy_text

    yield f"Winner: {winner['model']}"
    yield f"  accuracy {accuracy_text(record['accuracy'])}"
    for proof in record["latencies"]:
        yield f"  {_proof_text(proof)}"
    if len(record["finalists"]) > 1:
        yield "Other finalists:"
        for finalist in record["finalists"]:
            if finalist["trial"] != winner["trial"]:
                measured = "; ".join(map(_proof_text, finalist["latencies"]))
                mean = finalist["accuracy"]["mean"]
                yield f"  trial {finalist['trial']}: {mean:.2%}, {measured}"
    for name in ("index.html", "result.json"):
        yield f"Written: {out / name}"
    if record["files"]:
        yield f"The network: {', '.join(record['files'])} in {out}"


def _proof_text(proof: Mapping[str, Any]) -> str:
    if proof["latency_ms"] is None:
        return f"{proof['backend']}: not measured: {proof['reason']}"
    low, high = (format_seconds(end / 1e3) for end in proof["interval_ms"])
    text = f"{proof['backend']} {format_seconds(proof['latency_ms'] / 1e3)} [{low}, {high}]"
    if proof["limit_ms"] is None:
        return text
    return f"{text}, limit {format_seconds(proof['limit_ms'] / 1e3)}: {proof['verdict']}"
