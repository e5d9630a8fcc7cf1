"""The machine-wide measuring lock: two campaigns on one host would time each other.

The lock is the kernel's (flock), so it ends with its holder, however that dies. The file's
content only tells others who holds it, and the file is never removed: a process that waits on
a removed file would hold a lock nobody else sees.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hwnas.core.errors import HwnasError, LockHeld

#: Not tempfile.gettempdir(): $TMPDIR may differ from user to user, and the lock must not.
_DEFAULT_PATH = "/tmp/hwnas-measure.lock"

#: Somebody who only looks whether the lock is free holds it for an instant; try again after it.
_ATTEMPTS = 5
_PAUSE_S = 0.02

#: More than any description needs; the file is everybody's to write.
_LONGEST_CONTENT = 4096


@dataclass(frozen=True)
class LockHolder:
    """Who measures on this machine, as they said; None where the file does not tell.

    `started` is an ISO 8601 time in UTC.
    """

    pid: int | None = None
    user: str | None = None
    command: str | None = None
    started: str | None = None

    def __str__(self) -> str:
        who = f"process {self.pid}" if self.pid is not None else "an unknown process"
        if self.user:
            who += f" of {self.user}"
        if self.started:
            who += f" since {datetime.fromisoformat(self.started).astimezone():%Y-%m-%d %H:%M}"
        return f"{who}: {self.command}" if self.command else who


def lock_path() -> Path:
    """The lock file: one for the machine, or ``$HWNAS_LOCK``."""
    return Path(os.environ.get("HWNAS_LOCK") or _DEFAULT_PATH)


@contextmanager
def measuring_lock(command: str) -> Iterator[None]:
    """Hold this machine's measuring lock for as long as the context lasts.

    Processes started with :mod:`subprocess` do not inherit it.

    Args:
        command: What measures, told to whoever finds the lock held.

    Raises:
        LockHeld: Somebody else holds it; the message says who.
        HwnasError: The lock file cannot be used.
    """
    path = lock_path()
    with _opened(path) as descriptor:
        if not _acquire(descriptor, fcntl.LOCK_EX):
            holder = _read(descriptor)
            stop = f"stop it (kill {holder.pid})" if holder.pid is not None else "stop it"
            raise LockHeld(
                f"this machine is already being measured by {holder}",
                f"Two measurements would time each other: wait for its end, or {stop}",
            )
        own = LockHolder(os.getpid(), _user_name(), command, datetime.now(UTC).isoformat(timespec="seconds"))
        # On a full disk the lock holds all the same, it only does not tell whose it is.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(own)).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)


def lock_holder() -> LockHolder | None:
    """Who holds the measuring lock now, or None while it is free.

    Raises:
        HwnasError: The lock file cannot be used.
    """
    with _opened(lock_path()) as descriptor:
        return None if _acquire(descriptor, fcntl.LOCK_SH) else _read(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of the lock file; closing it gives the lock back."""
    try:
        descriptor = _open(path)
    except OSError as error:
        raise HwnasError(
            f"cannot use the measuring lock {path}: {error.strerror}",
            "Remove the file, or name another one in $HWNAS_LOCK",
        ) from error
    try:
        status = os.fstat(descriptor)
        # Writing to it must not damage anything else, whoever put it there.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise HwnasError(
                f"the measuring lock {path} is not a plain file",
                "Remove it, or name another one in $HWNAS_LOCK",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        # In a sticky folder O_CREAT is refused for a file of another user (fs.protected_regular),
        # although the file may be written: so only the first user creates.
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags)  # somebody was faster
    os.fchmod(descriptor, 0o666)  # whatever the umask: the lock is for every user
    return descriptor


def _acquire(descriptor: int, kind: int) -> bool:
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _read(descriptor: int) -> LockHolder:
    """What the holder wrote. Anybody could have, so take nothing but what is expected."""
    try:
        data = json.loads(os.pread(descriptor, _LONGEST_CONTENT, 0))
    except (ValueError, RecursionError):
        return LockHolder()
    if not isinstance(data, dict):
        return LockHolder()
    texts = {
        key: "".join(c for c in data[key] if c.isprintable())
        for key in ("user", "command", "started")
        if isinstance(data.get(key), str)
    }
    try:
        datetime.fromisoformat(texts.get("started", "")).astimezone()
    except (ValueError, OverflowError):
        texts.pop("started", None)
    pid = data.get("pid")
    return LockHolder(pid=pid if isinstance(pid, int) and pid > 0 else None, **texts)
