"""What a running search says of the time that is left."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from hwnas.cli.search_progress import SearchProgress
from hwnas.jobs.options import SearchOptions
from hwnas.searching.limit import Judgement
from hwnas.searching.trial import Trial, TrialState


def test_the_time_left_is_that_of_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    told = io.StringIO()
    progress = SearchProgress(Console(file=told, width=200), SearchOptions(trials=11))
    clock.now = 1000.0  # spent on learning latencies
    progress.started(0, "a", Judgement({}, {}))
    clock.now = 1010.0
    progress.ended(Trial(0, {}, "a", TrialState.COMPLETE, 0.9), 1)
    # Ten more of 10 s each, and a share for the finalists.
    assert "[1/11] a: accuracy 90.0% (about 1 min 5" in told.getvalue()


@pytest.mark.parametrize(
    ("options", "counted"),
    [
        (SearchOptions(trials=11), "0/11 networks"),
        (SearchOptions(), "0/20 networks"),
        (SearchOptions(budget_s=60.0), "0 networks"),
        (SearchOptions(engine="netadapt", start="zoo:mobilenet_v2"), ""),
    ],
)
def test_networks_are_counted_where_there_are_several(options: SearchOptions, counted: str) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system=None, width=200)
    with SearchProgress(console, options) as progress:
        progress.phase("measuring the network")
    assert "measuring the network" in shown.getvalue()
    assert counted in shown.getvalue()
    assert "None" not in shown.getvalue()
    assert ("networks" in shown.getvalue()) == bool(counted)


def test_what_earlier_runs_have_spent_is_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    told = io.StringIO()
    options = SearchOptions(trials=1000, budget_s=100.0)
    progress = SearchProgress(Console(file=told, width=200), options)
    progress.resumed(3, 0)
    progress.spent(60.0)
    progress.started(3, "a", Judgement({}, {}))
    clock.now = 10.0
    progress.ended(Trial(3, {}, "a", TrialState.COMPLETE, 0.9), 4)
    # 30 s of the 100, and a share for the finalists.
    assert "(about 36 s left)" in told.getvalue()


def test_where_time_alone_ends_it_the_time_that_is_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    told = io.StringIO()
    progress = SearchProgress(Console(file=told, width=200), SearchOptions(budget_s=100.0))
    progress.resumed(3, 0)
    progress.spent(60.0)
    progress.started(3, "a", Judgement({}, {}))
    clock.now = 10.0
    progress.ended(Trial(3, {}, "a", TrialState.COMPLETE, 0.9), 4)
    # 30 s of the 100, and a share for the finalists.
    assert "[4] a: accuracy 90.0% (about 36 s left)" in told.getvalue()


def test_a_bar_of_time_alone_tells_what_is_left_before_anything_was_evaluated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system=None, width=200)
    with SearchProgress(console, SearchOptions(budget_s=60.0)) as progress:
        progress.started(0, "a", Judgement({}, {}))
    assert "0 networks" in shown.getvalue()
    # The whole of it, and a share for the finalists.
    assert "(about 1 min 09 s left)" in shown.getvalue()


def test_a_training_that_was_given_up_before_it_told_anything_has_no_accuracy() -> None:
    told = io.StringIO()
    progress = SearchProgress(Console(file=told, width=200), SearchOptions(trials=11))
    progress.ended(Trial(0, {}, "a", TrialState.PRUNED, None), 1)
    progress.ended(Trial(1, {}, "b", TrialState.PRUNED, 0.25), 2)
    assert told.getvalue().splitlines() == ["[1/11] a: given up", "[2/11] b: accuracy 25.0%, given up"]
