"""Temporary folders go with their campaign, and at the latest with a later one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hwnas.core.errors import CellError, HwnasError
from hwnas.measuring.scratch import scratch_file, scratch_folder
from hwnas.measuring.worker_client import WorkerClient


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


def _worker() -> WorkerClient:
    return WorkerClient("torch:cpu:fp32", "hwnas.backends.torch_eager:TorchEager", 1, {}, None)


@pytest.mark.parametrize("make", [scratch_folder, scratch_file, _worker])
def test_no_room_is_told_in_one_line(make, parent, monkeypatch):
    """And ends a campaign, not one cell of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(parent / "missing"))
    with pytest.raises(HwnasError, match="TMPDIR") as caught:
        make()
    assert "missing" in str(caught.value)
    assert not isinstance(caught.value, CellError)


@pytest.mark.parametrize("make", [scratch_folder, scratch_file])
def test_where_every_folder_is_full_python_has_none(make, monkeypatch):
    """It tries to write to each before it takes it."""

    def no_folder() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "gettempdir", no_folder)
    with pytest.raises(HwnasError, match=r"/var/tmp.*TMPDIR"):
        make()
