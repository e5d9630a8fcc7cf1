"""What a running campaign prints, whatever is in the text."""

import io

import pytest
from rich.console import Console

from hwnas.cli.progress import LineWatcher, TerminalWatcher
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.measuring.events import Progress
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
