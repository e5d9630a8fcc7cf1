"""The quick study as a user runs it: wall time, share inside inference, and peak memory of its processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import psutil
from reporting import run

LIMIT_S, LIMIT_BYTES, SHARE = 600.0, 4 * 2**30, 0.6


def _watch(pid: int, peak: list[int], done: threading.Event) -> None:
    """Largest sum of the unshared memory (USS) of a process and its descendants."""
    while not done.wait(1.0):
        try:
            parent = psutil.Process(pid)
            family = [parent, *parent.children(recursive=True)]
            peak[0] = max(peak[0], sum(p.memory_full_info().uss for p in family))
        except psutil.Error:
            continue


def main(options: Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HWNAS_DB": options.db or str(Path(folder) / "quick.sqlite")}
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "hwnas", "measure", "--fresh"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        peak, done = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watcher.start()
        output, _ = process.communicate()
        done.set()
        watcher.join()
        elapsed = time.monotonic() - start
    print(output)
    match = re.search(r"in ([^(]+) \((\d+)% of it inside inference\)", output)
    if process.returncode or not match:
        raise SystemExit("the quick study did not end well")
    share = int(match[2]) / 100
    return {
        "elapsed_s": round(elapsed, 1),
        "inference_share": share,
        "peak_memory_bytes": peak[0],
        "passed": share >= SHARE and elapsed <= LIMIT_S and peak[0] <= LIMIT_BYTES,
    }


if __name__ == "__main__":
    run(main, ("--db", {"help": "database to keep the study in"}))
