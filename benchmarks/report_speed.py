"""How long the report of the shipped study takes, with every figure and the page, and how much memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import psutil
from reporting import exclusive, run

LIMIT_S, LIMIT_BYTES = 30.0, 10**9
#: Between two looks at the memory [s].
_LOOK_S = 0.1


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants: too large by what they share, if anything."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue  # it ended meanwhile
    return total


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(_LOOK_S):
        peak[0] = max(peak[0], _resident_bytes(pid))


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _report(db: str, folder: Path) -> dict[str, Any]:
    """One run of the command as a user runs it, from its start to its end."""
    before_s, start = _processor_s(), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "hwnas", "report", "--db", db, "--out", str(folder)], stdout=subprocess.DEVNULL
    )
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    code = process.wait()
    elapsed_s = time.monotonic() - start
    done.set()
    watcher.join()
    if code or not (folder / "index.html").exists():
        raise SystemExit("hwnas report did not end well")
    return {
        "elapsed_s": round(elapsed_s, 2),
        "processor_s": round(_processor_s() - before_s, 2),
        "peak_rss_bytes": peak[0],
        "files": sum(1 for _ in folder.iterdir()),
    }


def main(options: Namespace) -> dict[str, Any]:
    runs = []
    with exclusive("report_speed"):
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(_report(options.db, Path(folder)))
            print(runs[-1], flush=True)
    worst_s, worst_bytes = (max(r[key] for r in runs) for key in ("elapsed_s", "peak_rss_bytes"))
    return {
        "db": options.db,
        "runs": runs,
        "elapsed_s": worst_s,
        "peak_rss_bytes": worst_bytes,
        "passed": worst_s <= LIMIT_S and worst_bytes <= LIMIT_BYTES,
    }


if __name__ == "__main__":
    run(
        main,
        ("--db", {"default": "shipped", "help": "another database than the one that ships"}),
        ("--repeats", {"type": int, "default": 3}),
    )
