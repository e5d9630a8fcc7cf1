"""What every command has in common: how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import runner

from hwnas.store import LatencyStore

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


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_an_output_that_was_closed_is_no_error(closed: str, tmp_path: Path) -> None:
    """As some services start their commands: there is no stream at all, and Python has None in its place."""
    path = tmp_path / "latency.sqlite"
    LatencyStore.open(path).close()
    for arguments, code in ((["query", "--csv"], 0), (["query"], 0), (["info", "--db", "redis://host"], 2)):
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" -m hwnas db "$@" {closed}', sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HWNAS_DB": str(path)},
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_windows_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hwnas zoo` would work there, and `hwnas measure` end in a traceback."""
    run = runner(monkeypatch, capsys)
    monkeypatch.setattr(sys, "platform", "win32")
    code, out, err = run("zoo")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Windows" in err
