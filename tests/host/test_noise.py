from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest

from hwnas.core.errors import UsageError
from hwnas.host.noise import CpuTicks, NoiseLevel, NoiseReport, check_noise, read_cpu_ticks, read_processes

Others = Mapping[tuple[int, str], float]


class FakeHost:
    """A clock that only the canary moves.

    `durations` maps the time since the start [s] to the canary's durations [s]; each reading
    also takes `pause_s` besides.
    """

    def __init__(self, durations: Callable[[float, int], Mapping[str, float]], pause_s: float = 0.01) -> None:
        self.durations, self.pause_s = durations, pause_s
        self.now, self.count = 100.0, 0

    def clock(self) -> float:
        return self.now

    def read(self) -> Mapping[str, float]:
        durations = self.durations(self.now - 100.0, self.count)
        self.now += self.pause_s
        self.count += 1
        return durations


def check(
    durations: Callable[[float, int], Mapping[str, float]],
    steal: Sequence[CpuTicks | None] = (None, None),
    others: Sequence[Others] = ({}, {}),
    pause_s: float = 0.01,
    seconds: float = 5.0,
) -> NoiseReport:
    host, steals, processes = FakeHost(durations, pause_s), iter(steal), iter(others)
    return check_noise(seconds, host.clock, host.read, lambda: next(steals), lambda: next(processes))


def steady(at_s: float, count: int) -> dict[str, float]:
    return {"compute": 0.001 * (1.001 if count % 2 else 1.0), "memory": 0.002}


def test_a_steady_host_is_quiet():
    report = check(steady)
    assert report.verdict is NoiseLevel.QUIET
    assert report.seconds == pytest.approx(5.0, abs=0.02)
    assert report.readings == pytest.approx(500, abs=2)
    compute, memory = report.kernels
    assert (compute.name, memory.name) == ("compute", "memory")
    assert memory.median_s == 0.002
    assert (memory.spread, memory.drift) == (0.0, 1.0)
    assert 0.0 < compute.spread < 0.002
    assert report.processes == ()
    assert report.steal_percent is None


def test_two_states_are_a_drift():
    report = check(lambda at_s, count: {"compute": 0.001 if at_s < 2.5 else 0.00113})
    assert report.verdict is NoiseLevel.NOISY
    assert report.kernels[0].drift == pytest.approx(1.13)
    assert "13 %" in report.reason
    assert "wide" in report.advice


def test_one_kernel_alone_can_drift():
    report = check(lambda at_s, count: {"compute": 0.001, "memory": 0.002 * (1.1 if at_s > 4.0 else 1.0)})
    assert report.kernels[0].drift == 1.0
    assert report.verdict is NoiseLevel.NOISY


def test_a_single_hiccup_is_no_drift():
    report = check(lambda at_s, count: {"compute": 0.05 if count == 200 else 0.001})
    assert report.verdict is NoiseLevel.QUIET
    assert report.kernels[0].drift == 1.0


def test_scatter_without_drift_is_noisy():
    scatter = itertools.cycle((1.0, 1.02, 1.2, 1.3))
    report = check(lambda at_s, count: {"compute": 0.001 * next(scatter)})
    assert report.verdict is NoiseLevel.NOISY
    assert report.kernels[0].spread > 0.05
    assert "differ" in report.reason


@pytest.mark.parametrize(
    ("steal", "percent", "verdict"),
    [
        ((CpuTicks(10, 1000), CpuTicks(10, 2000)), 0.0, NoiseLevel.QUIET),
        ((CpuTicks(10, 1000), CpuTicks(15, 2000)), 0.5, NoiseLevel.QUIET),
        ((CpuTicks(10, 1000), CpuTicks(40, 2000)), 3.0, NoiseLevel.NOISY),
        ((CpuTicks(0, 1000), CpuTicks(120, 2000)), 12.0, NoiseLevel.BUSY),
        ((CpuTicks(0, 1000), CpuTicks(0, 2000)), None, NoiseLevel.QUIET),
        ((CpuTicks(10, 1000), CpuTicks(10, 1000)), None, NoiseLevel.QUIET),
        ((None, None), None, NoiseLevel.QUIET),
    ],
)
def test_steal_time(steal, percent, verdict):
    report = check(steady, steal=steal)
    assert report.steal_percent == (percent if percent is None else pytest.approx(percent))
    assert report.verdict is verdict
    if verdict is not NoiseLevel.QUIET:
        assert f"{percent:.1f} %" in report.reason


def test_other_processes_make_the_host_busy_and_are_named():
    before = {(1, "init"): 10.0, (7, "firefox"): 50.0, (8, "idle"): 1.0, (9, "gone"): 5.0}
    after = {(1, "init"): 10.0, (7, "firefox"): 54.0, (8, "idle"): 1.01, (10, "cc1plus"): 1.0}
    report = check(steady, others=(before, after))
    assert report.verdict is NoiseLevel.BUSY
    assert [(p.pid, p.name) for p in report.processes] == [(7, "firefox"), (10, "cc1plus")]
    assert report.processes[0].cpu_percent == pytest.approx(80, rel=0.01)
    assert report.others_percent == pytest.approx(100.2, rel=0.01)
    assert "firefox (pid 7, 80 %)" in report.reason
    assert "Close" in report.advice


def test_small_processes_are_listed_but_do_no_harm():
    report = check(steady, others=({(7, "editor"): 1.0}, {(7, "editor"): 1.5}))
    assert report.verdict is NoiseLevel.QUIET
    assert [p.name for p in report.processes] == ["editor"]


def test_many_processes_too_small_to_name_still_make_it_busy():
    report = check(steady, others=({}, {(pid, "worker"): 0.04 for pid in range(100)}))
    assert report.verdict is NoiseLevel.BUSY
    assert report.processes == ()
    assert "many small ones" in report.reason


def test_too_few_readings_give_no_drift_and_no_quiet():
    report = check(steady, pause_s=0.4)
    assert all(kernel.drift is None for kernel in report.kernels)
    assert report.verdict is NoiseLevel.NOISY
    assert "too seldom" in report.reason


def test_one_reading_is_survived():
    report = check(steady, pause_s=60.0)
    assert report.readings == 1
    assert report.kernels[0].spread == 0.0


def test_a_check_shorter_than_two_windows_is_refused():
    with pytest.raises(UsageError, match="too short"):
        check(steady, seconds=0.9)


def test_progress_is_told_the_time_elapsed():
    host, seen = FakeHost(steady, pause_s=0.25), []
    check_noise(1.0, host.clock, host.read, lambda: None, dict, progress=seen.append)
    assert seen == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_the_report_is_json_ready():
    data = check(steady, others=({}, {(7, "x"): 1.0})).to_dict()
    assert data["verdict"] == "quiet"
    assert data["kernels"][0]["name"] == "compute"
    assert data["processes"][0]["pid"] == 7


def test_cpu_ticks_leave_guest_time_out(tree):
    root = tree({"proc/stat": "cpu  100 1 20 500 3 0 2 7 60 0\ncpu0 1 1 1 1 1 1 1 1 1 1"})
    assert read_cpu_ticks(root) == CpuTicks(steal=7, total=633)


def test_cpu_ticks_without_proc(tmp_path):
    assert read_cpu_ticks(tmp_path) is None


def test_processes_are_the_others():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pids = {pid for pid, _ in read_processes()}
        assert child.stdin is not None
        child.stdin.close()
        child.kill()
    assert child.pid in pids
    assert os.getpid() not in pids


def test_this_machine_with_the_real_canary():
    report = check_noise(1.0)
    assert report.readings > 1
    assert report.kernels
    assert all(kernel.median_s > 0 for kernel in report.kernels)
    assert all(kernel.drift is None or kernel.drift >= 1 for kernel in report.kernels)
