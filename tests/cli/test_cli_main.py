"""What every command has in common: how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import runner

#: Linux's file on a disk that is full.
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["--help"], ["measure", "--list"]])
def test_output_to_a_full_disk_is_one_line(arguments: list[str]) -> None:
    """What click writes, and what Rich does."""
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hwnas", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("hwnas: no room is left")
    assert done.stderr.count("\n") == 1


def test_windows_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hwnas zoo` would work there, and `hwnas measure` end in a traceback."""
    run = runner(monkeypatch, capsys)
    monkeypatch.setattr(sys, "platform", "win32")
    code, out, err = run("zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Windows" in err
