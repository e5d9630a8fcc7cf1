from __future__ import annotations

import errno
import platform

import pytest

from hwnas.host.counters import (
    cache_miss_sources,
    callgrind_source,
    count_own_cache_misses,
    graphics_source,
    pmu_source,
)


def refusing(code: int):
    def count() -> tuple[int, int]:
        raise OSError(code, "refused")

    return count


@pytest.mark.parametrize(
    ("code", "paranoid", "name", "remedy"),
    [
        (errno.EACCES, "3", "EACCES", "sysctl kernel.perf_event_paranoid=2"),
        (errno.EACCES, "2", "EACCES", "--cap-add PERFMON"),
        (errno.EPERM, "2", "EPERM", "--cap-add PERFMON"),
        (errno.ENOENT, "2", "ENOENT", "hypervisor hides the counters"),
        (errno.ENOSYS, None, "ENOSYS", "CONFIG_PERF_EVENTS"),
        (errno.EMFILE, "2", "EMFILE", "perf_event_open"),
    ],
)
def test_a_refused_counter_says_why_and_what_to_do(tree, code, paranoid, name, remedy):
    root = tree({"proc/sys/kernel/perf_event_paranoid": paranoid} if paranoid else {})
    source = pmu_source(root, refusing(code))
    assert not source.available
    assert name in source.detail
    assert f"perf_event_paranoid{'=' + paranoid if paranoid else ' unknown'}" in source.detail
    assert remedy in source.remedy


@pytest.mark.parametrize(
    ("counted", "available", "word"),
    [
        ((1200, 5_000_000), True, "cache-misses"),
        ((0, 5_000_000), False, "stays at 0"),
        ((0, 0), False, "never ran"),
    ],
)
def test_a_counter_that_opens_must_count(tmp_path, counted, available, word):
    source = pmu_source(tmp_path, lambda: counted)
    assert source.available is available
    assert word in source.detail
    assert bool(source.remedy) is not available


def test_amds_second_level_is_no_last_level(tree):
    """A core's cache-misses work, and the device that counts the L3 is missing or may not be read."""
    vendor = {"proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\n"}
    source = pmu_source(tree(vendor), lambda: (1200, 5_000_000))
    assert not source.available
    assert "amd_l3" in source.detail
    assert "amd_uncore" in source.remedy
    device = "sys/bus/event_source/devices/amd_l3"
    # No kernel has a PMU of this number.
    root = tree({**vendor, f"{device}/type": str(2**31 - 1), f"{device}/cpumask": "0"})
    source = pmu_source(root, lambda: (1200, 5_000_000))
    assert not source.available
    assert source.detail.startswith("amd_l3/l3-misses fails with E")


def test_the_real_system_call_counts_or_is_refused_properly():
    code = 0
    try:
        misses, running_ns = count_own_cache_misses()
    except OSError as error:
        code = error.errno
    else:
        assert misses >= 0
        assert running_ns >= 0
    # EINVAL, EFAULT or E2BIG would mean that the attributes are wrong.
    refusals = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENODEV)
    assert code in (0, *refusals)


def test_an_unknown_architecture_has_no_counter(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(OSError, match="not implemented") as caught:
        count_own_cache_misses()
    assert caught.value.errno == errno.ENOSYS


def programs(folder, monkeypatch, **scripts: str) -> None:
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_callgrind_found(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, valgrind="echo valgrind-3.19.0", vgdb="exit 0")
    source = callgrind_source()
    assert source.available
    assert "valgrind-3.19.0" in source.detail
    assert source.remedy == ""


def test_callgrind_without_valgrind(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch)
    source = callgrind_source()
    assert not source.available
    assert "apt-get install valgrind" in source.remedy


@pytest.mark.parametrize(
    ("scripts", "word"),
    [
        ({"valgrind": "echo broken library >&2; exit 127"}, "broken library"),
        ({"valgrind": "exit 3"}, "exit code 3"),
        ({"valgrind": "echo valgrind-3.19.0"}, "vgdb"),
    ],
)
def test_callgrind_with_a_broken_valgrind(tmp_path, monkeypatch, scripts, word):
    programs(tmp_path, monkeypatch, **scripts)
    source = callgrind_source()
    assert not source.available
    assert word in source.detail
    assert source.remedy


def test_callgrind_that_cannot_be_executed(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, valgrind="")
    (tmp_path / "valgrind").write_bytes(b"\x7fELF not really")
    source = callgrind_source()
    assert not source.available
    assert "does not start" in source.detail


def test_an_integrated_gpu_needs_the_memory_controllers_counters(tree):
    source = graphics_source(tree({"proc/cpuinfo": ""}))
    assert not source.available
    assert "uncore_imc" in source.detail
    assert "intel_uncore" in source.remedy
    device = "sys/bus/event_source/devices/uncore_imc"
    # A type that no kernel has, so that opening it fails whoever asks.
    root = tree({f"{device}/type": 999_999, f"{device}/cpumask": 0, f"{device}/events/data_reads": "event=0x1"})
    found = graphics_source(root)
    assert not found.available
    assert "uncore_imc/data_reads fails with" in found.detail
    assert "perf_event_paranoid=0" in found.remedy


def test_the_sources_of_this_machine():
    sources = cache_miss_sources()
    assert [source.name for source in sources] == ["pmu", "pmu (gpu)", "callgrind", "model"]
    assert sources[-1].available
    assert all(source.available or source.remedy for source in sources)
    assert all(source.detail for source in sources)
