"""kill -9 at any moment loses nothing and doubles nothing."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment

WRITER = """
import sys
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement

with LatencyStore.open(sys.argv[1]) as store:
    environment = example_environment()
    uid = store.campaign("depth", {}, environment).uid
    done = {cell.pass_index for cell in store.finished(uid)}
    for i in range(100_000):
        if i not in done:
            measurement = example_measurement(f"u{i}", pass_index=i)
            assert store.add(measurement, environment, campaign_uid=uid)
            print(i, flush=True)
"""


def test_kill_at_random_moments(database: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # pytest shows it when the test fails
    moments = random.Random(seed)
    reported: set[int] = set()
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, "the writer ended before it wrote"
            time.sleep(moments.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            # The last line may be cut off: its newline was never written.
            lines = [first, *process.stdout.read().splitlines(keepends=True)]
        reported.update(int(line) for line in lines if line.endswith("\n"))
        with LatencyStore.open(database, create=False) as store:
            store.database.check()
            stored = [s.measurement.pass_index for s in store.measurements()]
            kernels = store.counts()["kernel"]
        assert len(stored) == len(set(stored))
        assert reported <= set(stored)
        assert len(stored) <= len(reported) + 1  # one may be stored, but not yet reported
        assert kernels == 2 * len(stored)
        reported = set(stored)
    with LatencyStore.open(database) as store:
        assert store.campaign("depth", {}, example_environment()).generation == 0
        assert len(store.campaigns()) == 1
