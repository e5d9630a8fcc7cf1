"""What a running campaign prints, whatever is in the text."""

import io
import re
import time

import pytest
from rich.console import Console

from hwnas.cli.progress import LineWatcher, TerminalWatcher
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.measuring.events import Progress, TimedWatcher
from hwnas.testing.examples import example_measurement

ODD = "[/x] on [cpu] :cat: [bold]"


@pytest.mark.parametrize(("watcher", "terminal"), [(TerminalWatcher, True), (LineWatcher, False)])
def test_brackets_in_names_and_reasons_are_no_markup(watcher, terminal):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, color_system=None, width=200)
    workload = Workload("factory", ODD, (1, 3, 8, 8))
    failed = example_measurement(
        "u", workload=workload, status=Status.FAILED, blocks=(), reason=f"reason {ODD}"
    )
    with watcher(console) as shown:
        shown.progress(Progress(0, 3, 1.0, None, workload, 0, 1, "timing"))
        shown.finished([failed])
        shown.notice(f"notice {ODD}")
    text = screen.getvalue()
    assert f"reason {ODD}" in text
    assert f"notice {ODD}" in text
    assert text.count(ODD) >= 3  # and the name of the workload


@pytest.mark.parametrize(("watcher", "terminal"), [(TerminalWatcher, True), (LineWatcher, False)])
def test_where_time_ends_it_progress_is_of_time(watcher, terminal):
    """Plan after plan: how many cells there will be, nobody knows."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, color_system=None, width=200)
    workload = Workload("factory", "net", (1, 3, 8, 8))
    with watcher(console) as shown:
        shown.doing("choosing: candidate 1 of 4")
        shown.doing("choosing: candidate 2 of 4")
        timed = TimedWatcher(shown, time.monotonic() - 600, 1800.0, done=7)
        timed.progress(Progress(2, 3, 1.0, None, workload, 0, 1, "timing"))
        timed.finished([example_measurement("u", workload=workload)])
        timed.notice("it is busy")
    text = screen.getvalue()
    assert re.search(r"about (19|20) min \d\d s of 30 min 00 s left", text)
    assert "it is busy" in text
    assert ("9 cells" if terminal else "[cell 10]") in text
    assert "/10" not in text
    if not terminal:
        assert text.count("choosing ...") == 1


@pytest.mark.parametrize(("watcher", "terminal"), [(TerminalWatcher, True), (LineWatcher, False)])
@pytest.mark.parametrize("budget_s", [None, 1800.0])
def test_counts_are_no_cells_and_belong_to_one_plan(watcher, terminal, budget_s):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, color_system=None, width=200)
    step = Progress(2, 5, 1.0, 60.0, Workload("factory", "net", (1, 3, 8, 8)), 0, 0, "counting")
    with watcher(console) as shown:
        timed = shown if budget_s is None else TimedWatcher(shown, time.monotonic() - 600, budget_s, lambda: 7)
        timed.progress(step)
    text = screen.getvalue()
    assert ("2/5 counts" if terminal else "[3/5]") in text
    assert "cell" not in text
    left = "about 1 min 00 s left" if budget_s is None else r"about (19|20) min \d\d s of 30 min 00 s left"
    assert re.search(left, text)
