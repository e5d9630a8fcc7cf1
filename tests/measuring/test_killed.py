"""kill -9 of the campaign or of a worker at random moments: no finished cell is lost or doubled."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from hwnas.core.counter import LLC_MISSES
from hwnas.core.errors import DatabaseError
from hwnas.core.measurement import Status
from hwnas.store import LatencyStore

PLAN = """
title: for killing
backends: [torch:cpu:fp32, openvino:cpu:fp32]
sweeps:
  - patterns: [standard, depthwise_separable, grouped]
    depth: [1, 2]
    width: 8
    resolution: 8
settings:
  {passes: 4, max_passes: 4, budget_s: 0.1, turn_s: 0.02, min_rounds: 2, warmup_s: 0.02, warmup_cap_s: 0.1}
"""
PASSES = 4
CELLS = 3 * 2 * 2 * PASSES
KILLS = 8

#: Its first cell never ends, however quiet or slow the machine is: no stop rule applies before so many rounds.
ENDLESS = PLAN.replace("min_rounds: 2", "min_rounds: 1000000")


def _start(folder, *options):
    environment = {**os.environ, "HWNAS_LOCK": str(folder / "lock")}
    command = [
        sys.executable,
        "-m",
        "hwnas",
        "measure",
        str(folder / "plan.yaml"),
        "--db",
        str(folder / "db.sqlite"),
        *options,
    ]
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def _uids(folder):
    """Of all that is stored; a kill may come before there are tables, or leave a write to be undone."""
    try:
        with LatencyStore.open(folder / "db.sqlite", create=False) as store:
            found = [s.measurement.uid for s in store.measurements(with_samples=False)]
    except DatabaseError as error:
        if "there is no latency database" not in str(error):
            raise
        return set()
    assert len(found) == len(set(found))
    return set(found)


def _workers(process):
    try:
        return [
            c
            for c in psutil.Process(process.pid).children()
            if "hwnas.measuring.worker" in " ".join(c.cmdline())
        ]
    except psutil.Error:
        return []


def _running(process, timeout_s=300.0):
    """Wait for the campaign's first worker: until then it imports and plans."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and not _workers(process) and time.monotonic() < deadline:
        time.sleep(0.05)


def _one_more(folder, process, before, timeout_s=300.0):
    """Wait for a cell that was not finished before, however slow the machine is."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and _uids(folder) <= before and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.timeout(1200)
def test_killed_at_random_moments(tmp_path):
    (tmp_path / "plan.yaml").write_text(PLAN)
    rng = random.Random(0)
    before: set[str] = set()
    hits = 0
    for kill in range(KILLS):
        process = _start(tmp_path)
        if kill:
            _running(process)
        if kill in (KILLS // 2, KILLS - 1):
            _one_more(tmp_path, process, before)
        # Imports take some seconds, and so do workers; the later the moment, the further the campaign is.
        time.sleep(rng.uniform(0.5, 6.0))
        workers = _workers(process)
        victim = rng.choice(workers).pid if workers and kill % 3 == 0 else process.pid
        if process.poll() is None:
            hits += bool(workers)  # only a campaign that runs has workers
            os.kill(victim, signal.SIGKILL)
        if victim == process.pid:
            process.wait()
            _gone(workers)
        else:
            time.sleep(1.0)
            process.kill()
            process.wait()
        after = _uids(tmp_path)
        assert before <= after, "a finished cell was lost"
        before = after
        if (tmp_path / "db.sqlite").exists():
            with closing(sqlite3.connect(tmp_path / "db.sqlite")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert hits >= KILLS / 2, "the kills missed the campaign"
    assert before, "no cell was finished before a kill"
    process = _start(tmp_path)
    process.wait(timeout=600)
    output = (tmp_path / "output.txt").read_text()
    with LatencyStore.open(tmp_path / "db.sqlite", read_only=True) as store:
        found = [s.measurement for s in store.measurements(with_samples=False)]
        assert len(store.campaigns()) == 1
    cells = {(m.workload.key, m.backend, m.pass_index) for m in found}
    assert len(cells) == len(found), "a cell was doubled"
    assert before <= {m.uid for m in found}
    # A worker that was killed costs its arm that cell, with the reason, and at most its later passes.
    lost = [m for m in found if m.status is not Status.OK]
    assert all("signal 9" in m.reason for m in lost)
    assert len(found) >= CELLS - (PASSES - 1) * len(lost), output


def _counted(folder):
    """Cell and geometry -> misses, of everything that the model counted so far."""
    with LatencyStore.open(folder / "db.sqlite", read_only=True) as store:
        found = [
            ((s.measurement.workload.key, s.measurement.backend, c.geometry), c.value)
            for s in store.measurements(with_samples=False)
            for c in s.measurement.counters
            if c.event == LLC_MISSES
        ]
    assert len(found) == len(dict(found)), "a count was doubled"
    return dict(found)


@pytest.mark.timeout(600)
def test_counting_that_is_killed_resumes(tmp_path):
    one_pass = PLAN.replace("passes: 4, max_passes: 4", "passes: 1, max_passes: 1")
    (tmp_path / "plan.yaml").write_text(one_pass)
    process = _start(tmp_path, "--cache-misses", "off")
    assert process.wait(timeout=300) == 0
    latencies = _uids(tmp_path)
    count = ("--cache-misses", "model", "--cache", "64K,16,64")
    process = _start(tmp_path, *count)
    while not (before := _counted(tmp_path)) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert before, (tmp_path / "output.txt").read_text()
    process = _start(tmp_path, *count)
    assert process.wait(timeout=300) == 0
    after = _counted(tmp_path)
    assert len(after) == CELLS // PASSES
    assert before.items() <= after.items()
    assert None not in after.values()
    assert _uids(tmp_path) == latencies


def _gone(workers):
    """Workers die with their campaign, even when it had no time to tell them."""
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def _seconds_to_start_and_to_stop(number, folder):
    """Up to the first worker, and from the signal to the end of the campaign.

    It ends in the middle of a cell, leaves nothing behind and says how to go on.
    """
    folder.mkdir()
    (folder / "plan.yaml").write_text(ENDLESS)
    begin = time.monotonic()
    process = _start(folder)
    _running(process)
    started_s = time.monotonic() - begin
    time.sleep(3)
    workers = _workers(process)
    begin = time.monotonic()
    process.send_signal(number)
    try:
        process.wait(timeout=120)
    finally:
        process.kill()
    stopped_s = time.monotonic() - begin
    output = (folder / "output.txt").read_text()
    assert process.returncode == 128 + number
    assert "resume" in output
    assert "Traceback" not in output
    assert _uids(folder) == set()
    _gone(workers)
    return started_s, stopped_s


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_within_two_seconds_and_say_how_to_resume(number, tmp_path):
    """Where a machine is so slow that the start takes longer, within the time of the start.

    One that is busy with something else may take longer once.
    """
    tried = (_seconds_to_start_and_to_stop(number, tmp_path / folder) for folder in ("first", "again"))
    assert any(stopped_s < max(2.0, started_s) for started_s, stopped_s in tried)
