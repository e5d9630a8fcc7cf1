"""What tests of whole searches share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwnas.core.workload import Workload
from hwnas.jobs.host_timer import Timed
from hwnas.jobs.listener import JobListener
from hwnas.jobs.options import SearchOptions
from hwnas.measuring.statistics import Estimate
from hwnas.predicting.locating import NoPredictor
from hwnas.searching.codes import Codes
from hwnas.searching.trial import Trial
from hwnas.workloads.spaces.space_file import load_space

SMALL = """
kind: patterns
title: Small
input: 1x8x8
classes: 10
patterns: [depthwise_separable, standard]
head: 16
stages:
  - {width: [8, 16], depth: [1, 2]}
  - {width: [16, 32], depth: [1]}
"""


class Hearing(JobListener):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.ended_trials: list[Trial] = []
        self.phases: list[str] = []
        self.notices: list[str] = []
        self.known = 0

    def resumed(self, finished: int, left_behind: int) -> None:
        self.known = finished

    def ended(self, trial: Trial, evaluations: int) -> None:
        self.ended_trials.append(trial)

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def notice(self, text: str) -> None:
        self.notices.append(text)


class Finished(NamedTuple):
    """A search at its end."""

    options: SearchOptions
    folder: Path
    db: str
    record: dict[str, Any]
    heard: Hearing


def made_up_times(
    self: Any, workloads: Sequence[Workload], backends: Sequence[str], **_: Any
) -> dict[tuple[Workload, str], Timed]:
    """In place of ``HostTimer.close``: 1 ns for each character of the architecture, known to 1 %."""
    found = {}
    for workload in workloads:
        s = 1e-9 * len(str(workload.params["architecture"]))
        for backend in backends:
            found[workload, backend] = Timed(Estimate(s, 0.99 * s, 1.01 * s, s, 0.0, 0.0, 3, 9, None))
    return found


def no_predictor(*_: Any) -> Any:
    """In place of ``find_predictor``: a table of predictions takes seconds."""
    raise NoPredictor("there is no predictor", "Make one")


def options_for(space_file: Path, folder: Path, **options: Any) -> SearchOptions:
    """A short search whose accuracies come from a table."""
    usual = {"sampler": "random", "trials": 3, "measurements": 3, "finalists": 1, "final_seeds": 1}
    return SearchOptions(space=str(space_file), accuracy=table_of(space_file, folder), **{**usual, **options})


def table_of(space_file: Path, folder: Path) -> str:
    """An accuracy of its own for every network of a space; gives the name of the evaluator that reads it."""
    space = load_space(str(space_file))
    codes = Codes(space)
    texts = [space.compact(codes.decode(row)) for row in codes.everything]
    rows = ["architecture,accuracy", *(f'"{text}",{0.5 + place / 1000}' for place, text in enumerate(texts))]
    path = folder / "table.csv"
    path.write_text("\n".join(rows))
    return f"table:{path},architecture=architecture,accuracy=accuracy"
