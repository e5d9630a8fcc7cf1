"""`hwnas measure` as a user types it."""

import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from command_line import runner
from rich.console import Console

from hwnas.backends.registry import BACKENDS, backend
from hwnas.cli import measure as command
from hwnas.cli.main import main
from hwnas.cli.measured import print_plan
from hwnas.core.measurement import Status
from hwnas.host.machine import probe_environment
from hwnas.measuring.counting import CacheMisses, Counting
from hwnas.measuring.events import Progress, TimedWatcher
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.testing.examples import example_measurement
from hwnas.workloads.patterns import pattern_workload

PLAN = """
title: tiny
backends: [torch, openvino:cpu:fp32, openvino:npu:fp16]
sweeps:
  - patterns: [standard]
    depth: 1
    width: 8
    resolution: 8
settings:
  {passes: 1, max_passes: 1, budget_s: 0.1, turn_s: 0.02, min_rounds: 2, warmup_s: 0.02, warmup_cap_s: 0.1}
"""


class Done(NamedTuple):
    """What a command gave."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def hwnas(tmp_path, monkeypatch, capsys):
    """Runs `hwnas` in an empty folder with a database of its own; a process would import for seconds first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "lock"))
    monkeypatch.setenv("HWNAS_DB", str(tmp_path / "db.sqlite"))
    run = runner(monkeypatch, capsys)
    return lambda *arguments: Done(*run(*arguments))


@pytest.fixture
def process(tmp_path):
    """The same as a process, as a shell starts it."""
    environment = {
        **os.environ,
        "HWNAS_LOCK": str(tmp_path / "lock"),
        "HWNAS_DB": str(tmp_path / "db.sqlite"),
        "PYTHONWARNINGS": "",
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "hwnas", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=300,
        )

    return run


@pytest.fixture
def missing():
    """A backend whose device this machine lacks."""
    for name in ("openvino:npu:fp16", "openvino:gpu:fp16"):
        if not backend(name).availability().available:
            return name
    pytest.skip("this machine has an NPU and a GPU that OpenVINO runs on")


def _refused(found, *words):
    assert found.returncode == 2, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    lines = [line for line in found.stderr.splitlines() if line.strip()]
    assert len(lines) <= 3, found.stderr
    for word in words:
        assert word in found.stderr


def test_measure_resume_and_report(hwnas, process, missing, tmp_path):
    (tmp_path / "tiny.yaml").write_text(PLAN.replace("openvino:npu:fp16", missing))
    first = process("measure", "tiny.yaml")
    assert first.returncode == 0, first.stderr
    assert "2 ok, 1 skipped" in first.stdout
    assert "standard" in first.stdout
    assert any(v in first.stdout for v in ("FASTER", "SLOWER", "SAME", "UNCLEAR"))
    again = hwnas("measure", "tiny.yaml")
    assert again.returncode == 0
    assert "already: 2 ok, 1 skipped" in again.stdout
    # What is left is skipped again, but the campaign has its results.
    retried = hwnas("measure", "tiny.yaml", "--retry-failed")
    assert retried.returncode == 0, retried.stderr
    report = hwnas("report", "--json")
    cells = json.loads(report.stdout)
    assert {c["backend"] for c in cells} == {"torch:cpu:fp32", "openvino:cpu:fp32", missing}
    skipped = next(c for c in cells if c["backend"] == missing)
    assert skipped["status"] == "skipped"
    assert missing.split(":")[1].upper() in skipped["reason"]


def test_a_rerun_after_nothing_could_be_measured_says_so_again(hwnas, missing, tmp_path):
    (tmp_path / "tiny.yaml").write_text(PLAN.replace("torch, openvino:cpu:fp32, openvino:npu:fp16", missing))
    assert hwnas("measure", "tiny.yaml").returncode == 1
    again = hwnas("measure", "tiny.yaml")
    assert again.returncode == 1
    assert "already: 1 skipped" in again.stdout
    assert "--retry-failed" in again.stdout
    fresh = hwnas("measure", "tiny.yaml", "--fresh")
    assert fresh.returncode == 1
    assert "already" not in fresh.stdout


def test_brackets_in_a_title_are_no_markup(tmp_path, monkeypatch, capfd):
    path = tmp_path / "tiny.yaml"
    path.write_text(PLAN.replace("title: tiny", 'title: "[/x] on [cpu] :cat:"'))
    monkeypatch.setattr(sys, "argv", ["hwnas", "measure", str(path), "--dry-run"])
    main()
    assert "[/x] on [cpu] :cat:" in capfd.readouterr().out


def test_dry_run_prints_the_plan_and_measures_nothing(hwnas, tmp_path):
    found = hwnas("measure", "depth", "--dry-run")
    assert found.returncode == 0, found.stderr
    assert "90 workloads" in found.stdout
    assert "memory" in found.stdout
    assert "Expected: about" in found.stdout
    skipped = not backend("openvino:gpu:fp16").availability().available
    assert ("openvino:gpu:fp16 will be skipped" in found.stdout) == skipped
    assert not (tmp_path / "db.sqlite").exists()


def test_what_takes_seconds_is_told_in_seconds():
    large = pattern_workload("standard", depth=50, width=64, batch=8)
    asked = Experiment("test", "", (large,), ("torch:cpu:fp32",), 1, Settings(budget_s=900.0))
    screen = io.StringIO()
    print_plan(Plan.of(asked, macs_per_s=1e9), Counting(), Console(file=screen, width=200))
    assert re.search(r"about \d\d\.\d s ", screen.getvalue())
    assert "takes over 150 s" in screen.getvalue()


def test_the_list_of_experiments(hwnas):
    found = hwnas("measure", "--list")
    assert [line.split()[0] for line in found.stdout.splitlines()] == [
        "cache_depth",
        "cache_width",
        "depth",
        "networks",
        "quick",
        "width",
    ]


def test_a_model_file_runs_on_openvino(hwnas, tmp_path):
    from hwnas.backends.openvino_runtime import import_openvino
    from hwnas.testing.backend_contract import small_input, small_network

    ov = import_openvino()
    exported = torch.export.export(small_network(), (small_input(1),), strict=False)
    ov.save_model(ov.convert_model(exported), tmp_path / "net.xml", compress_to_fp16=False)
    found = hwnas("measure", "--model", "net.xml", "--input", "1x3x24x24", "--passes", "1", "--budget", "0.2s")
    assert found.returncode == 0, found.stderr + found.stdout
    assert "openvino:cpu:fp32" in found.stdout
    assert "1 ok" in found.stdout


def test_a_factory_in_the_current_folder(process, tmp_path):
    (tmp_path / "mynets.py").write_text(
        "import torch\ndef make():\n    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())\n"
    )
    found = process(
        "measure",
        "--model",
        "mynets:make",
        "--input",
        "1x3x16x16",
        "--backend",
        "torch",
        "--passes",
        "1",
        "--budget",
        "0.2s",
    )
    assert found.returncode == 0, found.stderr + found.stdout
    assert "1 ok" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], ["nosuch", "quick"]),
        (["--model", "torchvision:resnet19"], ["resnet19", "resnet18"]),
        (["--model", "timm:resnet18xx"], ["resnet18xx"]),
        (["--model", "torchvision:resnet18", "--backend", "tensorrt"], ["tensorrt", "backend"]),
        (["--model", "torchvision:resnet18", "--backend", "broken"], ["broken:cpu:fp32", "no_such_acme"]),
        (["--model", "torchvision:resnet18", "--input", "1x3xbig"], ["1x3xbig", "--input"]),
        (["--model", "torchvision:resnet18", "--input", "1x5x224x224"], ["resnet18", "--input"]),
        (["--model", "torchvision:resnet18", "--threads", "0"], ["--threads"]),
        (["--model", "torchvision:resnet18", "--threads", "9999"], ["--threads", "at most"]),
        (["--threads", "9" * 5000], ["--threads", "not a number of threads"]),
        (["--model", "torchvision:resnet18", "--budget", "soon"], ["soon"]),
        (["--model", "nothing_here.onnx", "--input", "1x3x8x8"], ["nothing_here.onnx"]),
        (["--model", "no.such.module:make", "--input", "1x3x8x8"], ["no.such.module"]),
        (["quick", "--model", "torchvision:resnet18"], ["quick", "--model"]),
        (["quick", "--input", "1x3x8x8"], ["--input"]),
        (["quick", "--all"], ["--all", "EXPERIMENT"]),
        (["--all", "--model", "torchvision:resnet18"], ["--all", "--model"]),
        (["--all", "--budget", "soon"], ["soon"]),
        (["--model", "torchvision:resnet18", "--batch", "100000000000000"], ["too many values", "--batch"]),
        (["--model", "torchvision:resnet18", "--input", ""], ["--input is empty"]),
        (["quick", "--input", ""], ["--input is empty"]),
        (["--all", "--threads", ""], ["--threads is empty"]),
        (["--model", ""], ["--model is empty"]),
        ([""], ["unknown experiment ''"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, tmp_path, monkeypatch, capfd):
    # In this process: importing torch for each of them would take minutes.
    monkeypatch.setattr(BACKENDS, "_plugins", {"broken:cpu:fp32": "no_such_acme:Backend"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "lock"))
    monkeypatch.setenv("HWNAS_DB", str(tmp_path / "db.sqlite"))
    monkeypatch.setattr(sys, "argv", ["hwnas", "measure", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capfd.readouterr()
    assert caught.value.code == 2
    lines = [line for line in printed.err.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 3, printed.err
    assert "Traceback" not in printed.err
    for word in words:
        assert word in printed.err
    assert not (tmp_path / "db.sqlite").exists()


def test_a_corrupt_onnx_file_is_refused_before_anything_runs(hwnas, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"this is not ONNX")
    _refused(hwnas("measure", "--model", "broken.onnx", "--input", "1x3x8x8"), "broken.onnx", "valid ONNX")


def test_a_model_file_tells_its_own_shape_and_refuses_another(hwnas, tmp_path):
    from hwnas.backends.openvino_runtime import import_openvino
    from hwnas.testing.backend_contract import small_input, small_network

    ov = import_openvino()
    model = ov.convert_model(torch.export.export(small_network(), (small_input(1),), strict=False))
    model.reshape([1, 3, 24, 24])
    ov.save_model(model, tmp_path / "net.xml", compress_to_fp16=False)
    found = hwnas("measure", "--model", "net.xml", "--dry-run")
    assert "1x3x24x24" in found.stdout, found.stderr
    _refused(hwnas("measure", "--model", "net.xml", "--input", "1x5x24x24"), "net.xml", "--input")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 20])
def test_a_foreign_database_is_refused_and_kept(hwnas, tmp_path, content):
    (tmp_path / "db.sqlite").write_bytes(content)
    (tmp_path / "tiny.yaml").write_text(PLAN)
    _refused(hwnas("measure", "tiny.yaml"), "db.sqlite")
    assert (tmp_path / "db.sqlite").read_bytes() == content


def test_cache_misses_are_counted_shown_and_added_later(hwnas, tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        PLAN.replace("[torch, openvino:cpu:fp32, openvino:npu:fp16]", "[torch]")
    )
    off = hwnas("measure", "tiny.yaml", "--cache-misses", "off")
    assert off.returncode == 0, off.stderr
    assert "LLC misses" not in off.stdout
    found = hwnas("measure", "tiny.yaml", "--cache-misses", "model", "--cache", "64K,16,64")
    assert found.returncode == 0, found.stderr
    assert "Added 1 cache-miss count" in found.stdout
    assert "LLC misses (model, 64 KiB, 16 ways)" in found.stdout
    listed = hwnas("db", "query", "--json")
    (row,) = json.loads(listed.stdout)
    (counted,) = [c for c in row["counters"] if c["event"] == "llc-misses"]
    assert (counted["source"], counted["geometry"], counted["threads"]) == ("model", "65536,16,64", 1)
    assert "(model 65536,16,64)" in hwnas("db", "query").stdout


def test_caches_that_are_none_are_refused(hwnas, tmp_path):
    _refused(hwnas("measure", "--cache", "4M,16"), "4M,16", "4M,16,64")
    assert not (tmp_path / "db.sqlite").exists()
    _refused(hwnas("measure", "--cache", "5000,16,64"), "5000")
    assert hwnas("measure", "--cache-misses", "guess").returncode == 2


def test_a_source_that_is_missing_here_says_what_to_install(hwnas, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    _refused(hwnas("measure", "--cache-misses", "callgrind"), "valgrind", "apt-get install valgrind")


@pytest.mark.usefixtures("counted_once")
def test_the_whole_study_is_planned_with_one_word(hwnas, tmp_path):
    found = hwnas("measure", "--all", "--dry-run")
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("Expected: about") == found.stdout.count(" passes = ") >= 4
    assert not (tmp_path / "db.sqlite").exists()


@pytest.mark.usefixtures("counted_once")
def test_a_budget_that_ends_early_says_what_is_left(hwnas, tmp_path):
    """And nothing claims to be in the database that is not."""
    found = hwnas("measure", "--all", "--budget", "1ms", "--cache-misses", "off")
    assert found.returncode == 1, found.stderr
    assert "The budget ended before" in found.stdout
    assert "already" not in found.stdout


def test_under_a_budget_progress_is_of_all_plans_and_of_the_time_that_is_left(monkeypatch):
    """What a campaign would still take by itself says nothing: the budget ends it, or gives it more."""
    first, second = (pattern_workload("standard", depth=d, width=8, resolution=8) for d in (1, 2))
    arm, off = "torch:cpu:fp32", CacheMisses("off")
    plans = [Plan.of(Experiment("test", "", (w,), (arm,), 1, Settings(), off)) for w in (first, second)]
    used = []

    class Stopped:
        """Stands for the study: notes who is told of its campaigns."""

        def __init__(self, campaigns, store, budget_s):
            used.extend(campaign._watcher for campaign in campaigns)

        def run(self, *, fresh):
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "Study", Stopped)
    screen = io.StringIO()
    for budget_s in (7200.0, None):
        with pytest.raises(KeyboardInterrupt):
            command._run(
                plans,
                SimpleNamespace(location="here"),
                probe_environment(),
                Console(file=screen),
                fresh=False,
                budget_s=budget_s,
            )
    _, timed, *plain = used
    assert not any(isinstance(watcher, TimedWatcher) for watcher in plain)
    plans[0].mark(first.key, arm, 0, Status.OK)
    timed.progress(Progress(0, 3, 1.0, 5e4, second, 0, 3, "timing"))
    timed.finished([example_measurement("u", workload=second)])
    # One cell of the other plan, and now one of this.
    assert "[cell 2]" in screen.getvalue()
    assert "of 2 h 00 min left" in screen.getvalue()
