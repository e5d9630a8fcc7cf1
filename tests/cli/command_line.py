"""Runs the command in this process, as a shell would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwnas.cli.main import main

#: Arguments -> exit code, output, errors.
Run = Callable[..., tuple[int, str, str]]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *first: str) -> Run:
    """Call `hwnas` with some arguments that come first in every call."""

    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hwnas", *first, *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command
