"""Which CPUs a worker is bound to."""

import pytest

from hwnas.host import cpus
from hwnas.host.cpus import measuring_cpus, usable_threads


def _topology(root, speeds, siblings):
    for cpu, speed in speeds.items():
        folder = root / f"sys/devices/system/cpu/cpu{cpu}"
        (folder / "topology").mkdir(parents=True)
        (folder / "topology/thread_siblings_list").write_text(siblings[cpu] + "\n")
        (folder / "cpufreq").mkdir()
        (folder / "cpufreq/cpuinfo_max_freq").write_text(f"{speed}\n")


@pytest.fixture
def hybrid(tmp_path, monkeypatch):
    """Two fast cores with two threads each (0-3), four slow ones (4-7)."""
    speeds = {0: 5_000_000, 1: 5_000_000, 2: 5_000_000, 3: 5_000_000, **dict.fromkeys(range(4, 8), 3_800_000)}
    siblings = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", **{c: str(c) for c in range(4, 8)}}
    _topology(tmp_path, speeds, siblings)
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: list(range(8)))
    return tmp_path


def test_one_thread_runs_on_a_fast_core(hybrid):
    assert measuring_cpus(1, hybrid) == (3,)


def test_two_threads_run_on_two_physical_cores(hybrid):
    assert measuring_cpus(2, hybrid) == (1, 3)


def test_slow_cores_come_before_second_siblings(hybrid):
    assert measuring_cpus(4, hybrid) == (1, 3, 6, 7)


def test_all_cpus_need_no_binding(hybrid):
    assert measuring_cpus(8, hybrid) is None


def test_without_a_topology_the_last_cpus(tmp_path, monkeypatch):
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: [0, 2, 5])
    assert measuring_cpus(1, tmp_path) == (5,)
    assert measuring_cpus(2, tmp_path) == (2, 5)


def test_a_quota_limits_the_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(cpus, "allowed_cpus", lambda: list(range(64)))
    monkeypatch.setattr(cpus, "cpu_limit", lambda root: 2.5)
    assert usable_threads(tmp_path) == 2
    monkeypatch.setattr(cpus, "cpu_limit", lambda root: 0.5)
    assert usable_threads(tmp_path) == 1
    monkeypatch.setattr(cpus, "cpu_limit", lambda root: None)
    assert usable_threads(tmp_path) == 64
