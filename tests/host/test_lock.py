from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hwnas.core.errors import HwnasError, LockHeld
from hwnas.host.lock import LockHolder, lock_holder, lock_path, measuring_lock

HOLD = """
import sys
from hwnas.host.lock import measuring_lock
with measuring_lock("hwnas measure depth"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "measure.lock"
    monkeypatch.setenv("HWNAS_LOCK", str(path))
    return path


@contextlib.contextmanager
def other_process():
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def free() -> bool:
    with measuring_lock("test"):
        return True


def test_the_default_is_the_same_for_every_user(monkeypatch):
    monkeypatch.delenv("HWNAS_LOCK")
    monkeypatch.setenv("TMPDIR", "/somewhere/private")
    assert lock_path() == Path("/tmp/hwnas-measure.lock")


def test_a_second_process_is_told_who_holds_it():
    with other_process() as process:
        with pytest.raises(LockHeld) as caught, measuring_lock("hwnas measure"):
            pytest.fail("two holders")
        message = str(caught.value)
        assert f"process {process.pid} of " in message
        assert "hwnas measure depth" in message
        assert "since 2" in message
        assert f"kill {process.pid}" in caught.value.hint


def test_the_second_holder_leaves_the_first_ones_description_alone():
    with other_process() as process:
        with contextlib.suppress(LockHeld), measuring_lock("intruder"):
            pass
        holder = lock_holder()
        assert holder is not None
        assert (holder.pid, holder.command) == (process.pid, "hwnas measure depth")


def test_the_same_process_cannot_hold_it_twice():
    with (
        measuring_lock("outer"),
        pytest.raises(LockHeld, match=f"process {os.getpid()} "),
        measuring_lock("inner"),
    ):
        pytest.fail("two holders")


def test_it_is_free_after_the_context_and_after_an_error(path):
    with pytest.raises(RuntimeError, match="campaign"), measuring_lock("first"):
        raise RuntimeError("campaign")
    assert lock_holder() is None
    assert free()
    assert path.read_bytes() == b"", "no stale description is left"


def test_kill_9_frees_it(path):
    with other_process() as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert json.loads(path.read_text())["pid"] == process.pid, "the description is stale"
        assert lock_holder() is None
        assert free()


def test_a_child_does_not_inherit_it():
    with measuring_lock("parent"):
        child = subprocess.Popen(
            [sys.executable, "-c", "print('up', flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout is not None
        child.stdout.readline()
    with child:
        assert child.poll() is None
        assert free()
        child.kill()


def test_looking_does_not_take_it():
    assert lock_holder() is None
    with measuring_lock("campaign"):
        assert lock_holder() is not None
        assert lock_holder() is not None


def test_the_file_is_for_every_user_whatever_the_umask(path):
    before = os.umask(0o077)
    try:
        assert free()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666


def test_an_existing_file_is_opened_without_creating(path, monkeypatch):
    path.touch()
    real = os.open

    def protected(name, flags, *mode):
        # What fs.protected_regular does with a file of another user in a sticky folder.
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(name))
        return real(name, flags, *mode)

    monkeypatch.setattr(os, "open", protected)
    assert free()


def test_two_processes_that_create_at_the_same_moment(path, monkeypatch):
    real = os.open

    def slower(name, flags, *mode):
        if flags & os.O_CREAT:
            os.close(real(path, os.O_CREAT | os.O_WRONLY))  # the other one was faster
        return real(name, flags, *mode)

    monkeypatch.setattr(os, "open", slower)
    assert free()


def test_a_symbolic_link_is_not_followed(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)
    with pytest.raises(HwnasError, match="HWNAS_LOCK"), measuring_lock("test"):
        pytest.fail("followed")
    assert victim.read_text() == "precious"


def test_a_hard_link_is_not_written_to(path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.hardlink_to(victim)
    with pytest.raises(HwnasError, match="not a plain file"), measuring_lock("test"):
        pytest.fail("used")
    assert victim.read_text() == "precious"


def test_a_pipe_does_not_block(path):
    os.mkfifo(path)
    with pytest.raises(HwnasError, match="not a plain file"):
        lock_holder()


@pytest.mark.parametrize("name", ["missing/measure.lock", "."])
def test_a_path_that_cannot_be_a_file(tmp_path, monkeypatch, name):
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / name))
    with pytest.raises(HwnasError, match="cannot use the measuring lock") as caught:
        free()
    assert str(tmp_path) in str(caught.value)
    assert not isinstance(caught.value, LockHeld)


def test_a_full_disk_does_not_prevent_locking(monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with measuring_lock("first"), pytest.raises(LockHeld, match="an unknown process"), measuring_lock("second"):
        pytest.fail("two holders")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", LockHolder()),
        ("not json", LockHolder()),
        ("[1, 2]", LockHolder()),
        ("[" * 4096, LockHolder()),
        ('{"pid": "1; rm", "user": 3, "started": "soon"}', LockHolder()),
        ('{"pid": -1, "command": "x\\u001b[2Jy"}', LockHolder(command="x[2Jy")),
        ('{"pid": 5, "started": "0001-01-01T00:00:00+00:00"}', None),
    ],
)
def test_a_description_is_not_trusted(path, content, expected):
    with measuring_lock("real"):
        path.write_text(content)
        holder = lock_holder()
    assert holder is not None
    if expected is not None:
        assert holder == expected
    assert "\x1b" not in str(holder)


def test_a_user_without_a_name(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with measuring_lock("test"):
        holder = lock_holder()
    assert holder is not None
    assert holder.user == "uid 4000000000"
