"""Temporary folders go with their campaign, and at the latest with a later one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hwnas.core.errors import HwnasError
from hwnas.measuring.scratch import scratch_folder


@pytest.fixture
def parent(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _left(parent: Path, pid: int, age_s: float) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"hwnas-{pid}-", dir=parent))
    (folder / "outputs").write_bytes(b"much")
    then = folder.stat().st_mtime - age_s
    os.utime(folder, (then, then))
    return folder


def test_it_goes_at_the_end(parent):
    with scratch_folder() as folder:
        assert Path(folder).parent == parent
    assert list(parent.iterdir()) == []


def test_what_the_killed_left_goes_after_a_day(parent):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old, new = _left(parent, ended.pid, 2 * 86400), _left(parent, ended.pid, 60)
    alive = _left(parent, os.getpid(), 2 * 86400)
    foreign = parent / "hwnas-measure.lock"
    foreign.touch()
    with scratch_folder():
        assert not old.exists()
        assert new.exists()
        assert alive.exists()
        assert foreign.exists()


def test_no_room_is_told_in_one_line(parent, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(parent / "missing"))
    with pytest.raises(HwnasError, match="TMPDIR"):
        scratch_folder()
