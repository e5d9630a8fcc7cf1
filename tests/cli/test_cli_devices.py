from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from hwnas.backends.protocol import Availability
from hwnas.backends.registry import BACKENDS
from hwnas.cli import devices as command
from hwnas.core.environment import Cache, Environment
from hwnas.core.errors import UsageError
from hwnas.host.counters import CounterSource
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.host.noise import BusyProcess, KernelNoise, NoiseLevel, NoiseReport

ENVIRONMENT = Environment(
    cpu_model="Intel(R) Core(TM) i7-7700 CPU @ 3.60GHz",
    architecture="x86_64",
    logical_cpus=8,
    memory_bytes=16 * 2**30,
    caches=(Cache(1, "Data", 2**15, 8, 64, 2), Cache(3, "Unified", 2**23, None, 64, 8)),
    instruction_sets=("avx", "avx2"),
    cgroup_cpus=1.5,
    governor="powersave",
    versions={"torch": "2.6.0+cpu"},
)

NOISE = NoiseReport(
    seconds=5.01,
    readings=812,
    kernels=(KernelNoise("compute", 0.00123, 0.012, 1.13), KernelNoise("memory", 0.002, 0.01, None)),
    steal_percent=None,
    load_average=0.42,
    processes=(BusyProcess(77, "firefox", 12.3),),
    others_percent=12.3,
    verdict=NoiseLevel.NOISY,
    reason="The host is unsteady.",
    advice="Measure longer.",
)


class FakeBackend:
    def __init__(self, found: Availability) -> None:
        self.found = found

    def availability(self) -> Availability:
        return self.found


class FakeRegistry:
    """Stands for the table of backends: id -> availability, or the error of loading it."""

    entries: dict[str, Availability | Exception]

    def names(self) -> list[str]:
        return list(self.entries)

    def backend(self, name: str) -> FakeBackend:
        entry = self.entries[name]
        if isinstance(entry, Exception):
            raise entry
        return FakeBackend(entry)


@pytest.fixture
def registry(monkeypatch, tmp_path) -> FakeRegistry:
    """Everything of the host replaced by what a test can foresee."""
    fake = FakeRegistry()
    fake.entries = {
        "torch:cpu:fp32": Availability(True, "torch 2.6.0"),
        "openvino:gpu:fp16": Availability(False, "finds no GPU (devices found: CPU)", "Install [gpu] drivers"),
    }
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "measure.lock"))
    for variable in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(command, "BACKENDS", fake)
    monkeypatch.setattr(command, "backend", fake.backend)
    monkeypatch.setattr(command, "probe_environment", lambda: ENVIRONMENT)
    sources = (
        CounterSource("pmu", False, "perf_event_open fails with ENOENT", "Use a machine without hypervisor"),
    )
    monkeypatch.setattr(command, "cache_miss_sources", lambda: sources)
    monkeypatch.setattr(command, "check_noise", lambda seconds, progress: NOISE)
    return fake


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command.devices, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr == ""
    return result.stdout


def run_json(*arguments: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(run("--json", *arguments))
    return data


def test_json_holds_everything(registry):
    data = run_json()
    assert list(data) == ["environment", "backends", "cache_miss_sources", "noise", "noise_skipped", "lock"]
    assert data["environment"].pop("fingerprint") == ENVIRONMENT.fingerprint
    assert Environment.from_dict(data["environment"]) == ENVIRONMENT
    assert data["backends"][1] == {
        "id": "openvino:gpu:fp16",
        "available": False,
        "detail": "finds no GPU (devices found: CPU)",
        "remedy": "Install [gpu] drivers",
    }
    assert data["cache_miss_sources"][0]["name"] == "pmu"
    assert data["noise"] == json.loads(json.dumps(NOISE.to_dict()))
    assert data["noise_skipped"] is None
    assert data["lock"] is None


def test_text_tells_everything_within_80_columns_and_without_colour(registry):
    text = run()
    flat = " ".join(text.split())
    for part in (
        *(
            "i7-7700",
            "8 logical CPUs",
            "avx avx2",
            "L1 data 32 KiB, 8 ways, shared by 2",
            "L3 unified 8 MiB, shared",
        ),
        *("cgroup: 1.5 CPUs", "powersave", "no sign of it", "torch 2.6.0+cpu", ENVIRONMENT.fingerprint),
        *("yes torch:cpu:fp32 torch 2.6.0", "no openvino:gpu:fp16 finds no GPU", "Install [gpu] drivers"),
        *("no pmu perf_event_open fails with ENOENT", "Use a machine without hypervisor"),
        *("NOISY The host is unsteady. Measure longer.", "812 canary readings in 5.0 s"),
        *("1.23 ms, spread 1.2 %, drift 13.0 %", "drift not known", "not told by this host", "0.42"),
        "firefox (pid 77) 12 %",
    ):
        assert part in flat
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\r" not in text


def test_no_noise_skips_the_check(registry, monkeypatch):
    def never(*_: object, **__: object) -> NoiseReport:
        pytest.fail("the check ran")

    monkeypatch.setattr(command, "check_noise", never)
    data = run_json("--no-noise")
    assert (data["noise"], data["noise_skipped"]) == (None, "--no-noise")
    assert "Noise" not in run("--no-noise")


def test_a_running_campaign_is_shown_and_not_disturbed(registry, monkeypatch):
    monkeypatch.setattr(command, "check_noise", lambda *_, **__: pytest.fail("the check ran"))
    with measuring_lock("hwnas measure depth"):
        data, text = run_json(), run()
    assert data["lock"]["held_by"]["pid"] == os.getpid()
    assert data["lock"]["held_by"]["command"] == "hwnas measure depth"
    assert data["noise"] is None
    assert "already being measured" in data["noise_skipped"]
    assert "not checked" in text
    assert "hwnas measure depth" in text


def test_the_check_itself_holds_the_lock(registry, monkeypatch):
    seen = []

    def looking(*_: object, **__: object) -> NoiseReport:
        seen.append(command.lock_holder())
        return NOISE

    monkeypatch.setattr(command, "check_noise", looking)
    assert run_json()["lock"] is None
    assert [holder.command for holder in seen] == ["hwnas devices"]


def test_an_unusable_lock_is_a_finding_not_a_failure(registry, monkeypatch, tmp_path):
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "missing" / "lock"))
    data = run_json()
    assert data["lock"]["held_by"] is None
    assert "cannot use the measuring lock" in data["lock"]["problem"]
    assert data["noise"] is None


def test_a_broken_third_party_backend_hides_no_other(registry, monkeypatch):
    registry.entries = {"acme:npu": UsageError("cannot be loaded: no acme", "Remove it"), **registry.entries}
    found = run_json("--no-noise")["backends"]
    assert [backend["available"] for backend in found] == [False, True, False]
    assert (found[0]["detail"], found[0]["remedy"]) == ("cannot be loaded: no acme", "Remove it")


def test_a_third_party_backend_that_cannot_tell_hides_no_other(registry, monkeypatch):
    class Mute(FakeBackend):
        def availability(self) -> Availability:
            raise OSError("libacme.so: cannot open shared object file")

    found = Availability(True, "acme")
    registry.entries = {"acme:npu": found, **registry.entries}
    monkeypatch.setattr(
        command, "backend", lambda name: Mute(found) if name == "acme:npu" else registry.backend(name)
    )
    told = run_json("--no-noise")["backends"]
    assert [backend["available"] for backend in told] == [False, True, False]
    assert "libacme.so" in told[0]["detail"]
    assert told[0]["remedy"]


def slow_check(seconds: float, progress: Callable[[float], None]) -> NoiseReport:
    for step in range(1, 11):
        progress(seconds * step / 10)
    return NOISE


@pytest.mark.parametrize("watched", [True, False])
def test_the_countdown_is_for_terminals_only(registry, monkeypatch, watched):
    monkeypatch.setattr(command, "check_noise", slow_check)
    screen = io.StringIO()
    report, skipped = command._noise(Console(file=screen, force_terminal=watched, width=80), watched)
    assert (report, skipped) == (NOISE, None)
    shown = screen.getvalue()
    if watched:
        assert "4 s left" in shown
        assert "1 s left" in shown
    else:
        assert shown == ""


def test_the_real_command(tmp_path: Path):
    answer = subprocess.run(
        [sys.executable, "-m", "hwnas", "devices", "--json", "--no-noise"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HWNAS_LOCK": str(tmp_path / "measure.lock")},
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    data = json.loads(answer.stdout)
    assert data["environment"]["fingerprint"] == probe_environment().fingerprint
    found = {backend["id"]: backend for backend in data["backends"]}
    assert list(found) == BACKENDS.names()
    assert found["torch:cpu:fp32"]["available"]
    assert found["openvino:cpu:fp32"]["available"]
    assert all(backend["available"] or backend["remedy"] for backend in found.values())
