from __future__ import annotations

import csv
import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run, runner

from hwnas.core.measurement import Status
from hwnas.report import saving
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment
from hwnas.testing.synthetic import SyntheticHost
from hwnas.workloads.patterns import pattern_workload

# The package's name for the command hides the module.
cli_report = importlib.import_module("hwnas.cli.report")

TORCH, OPENVINO, GPU = "torch:cpu:fp32", "openvino:cpu:fp32", "openvino:gpu:fp16"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `hwnas report ...` in an empty folder, as a shell would: exit code, output, errors."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return runner(monkeypatch, capsys, "report")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that $HWNAS_DB names, with two depths of two patterns."""
    path = tmp_path / "latency.sqlite"
    monkeypatch.setenv("HWNAS_DB", str(path))
    environment, host = example_environment(), SyntheticHost(1)
    with LatencyStore.open(path) as store:
        uid = store.campaign("quick", {}, environment).uid
        for pattern in ("standard", "grouped"):
            for depth in (10, 20):
                workload = pattern_workload(pattern, depth=depth, width=64)
                latencies = {TORCH: 0.001 * depth, OPENVINO: 0.0005 * depth, GPU: (Status.SKIPPED, "no GPU")}
                for measurement in host.group(workload, latencies):
                    store.add(measurement, environment, campaign_uid=uid)
    return path


@pytest.mark.usefixtures("database")
def test_table_and_figures(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert out.splitlines()[0].startswith("network")
    assert "Speedup of openvino:cpu:fp32 over torch:cpu:fp32" in out
    names = [f"{n}.{s}" for n in ("speedup", "depth") for s in ("png", "svg", "csv")]
    names += ["correlations.csv", "index.html"]
    assert out.splitlines()[-9:] == [*(f"Wrote report/{name}" for name in names), "Open report/index.html"]
    assert sorted(p.name for p in Path("report").iterdir()) == sorted(names)


@pytest.mark.usefixtures("database")
def test_many_cells_are_drawn_by_processes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert run("--out", str(here))[0] == 0
    monkeypatch.setattr(cli_report, "_MANY_CELLS", 1)
    monkeypatch.setattr(saving, "usable_threads", lambda: 2)
    used = []
    monkeypatch.setattr(
        cli_report, "saving_processes", lambda: used.append(saving.saving_processes()) or used[-1]
    )
    assert run("--out", str(there))[0] == 0
    assert isinstance(used[0], saving.SavingProcesses)
    assert gc.isenabled()
    pictures = sorted(path.name for path in here.iterdir() if path.suffix in (".png", ".svg"))
    assert pictures
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in pictures)


@pytest.mark.usefixtures("database")
def test_out_and_no_figures(run: Run, tmp_path: Path) -> None:
    assert run("--no-figures")[0] == 0
    assert not Path("report").exists()
    assert run("--out", tmp_path / "a" / "b", "--pattern", "grouped")[0] == 0
    assert (tmp_path / "a" / "b" / "depth.svg").exists()


@pytest.mark.usefixtures("database")
def test_json_is_all_that_is_printed(run: Run) -> None:
    code, out, _ = run("--json")
    cells = json.loads(out)
    assert code == 0
    assert len(cells) == 12
    assert {c["verdict"] for c in cells} == {"FASTER", None}
    speedups = [c["speedup"] for c in cells if c["backend"] == OPENVINO]
    assert speedups == pytest.approx([2.0] * 4, rel=0.02)
    assert [c["reason"] for c in cells if c["status"] == "skipped"] == ["no GPU"] * 4
    assert not Path("report").exists()
    _, out, err = run("--json", "--figures")
    assert len(json.loads(out)) == 12
    assert "Wrote report/depth.png" in err
    assert "Open report/index.html" in err


@pytest.mark.usefixtures("database")
def test_csv(run: Run) -> None:
    code, out, _ = run("--csv", "cells.csv", "--no-figures")
    assert code == 0
    assert out.endswith("Wrote cells.csv\n")
    with Path("cells.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 12


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["--pattern", "grouped"], 6),
        (["--depth", "20"], 6),
        (["--backend", "openvino:cpu"], 4),
        (["--batch", "1", "--width", "64", "--threads", "1"], 12),
        (["--status", "skipped"], 4),
        (["--experiment", "quick", "--depth", "10", "--backend", "torch"], 2),
    ],
)
def test_filters(run: Run, arguments: list[str], cells: int) -> None:
    code, out, _ = run("--json", *arguments)
    assert code == 0
    assert len(json.loads(out)) == cells


@pytest.mark.usefixtures("database")
def test_baseline(run: Run) -> None:
    _, out, _ = run("--json", "--baseline", "openvino:cpu", "--backend", "torch")
    assert {c["baseline"] for c in json.loads(out)} == {OPENVINO}
    assert [c["speedup"] for c in json.loads(out)] == pytest.approx([0.5, 0.5, 0.5, 0.5], rel=0.02)


@pytest.mark.usefixtures("database")
def test_nothing_to_draw_is_told(run: Run) -> None:
    code, out, err = run("--backend", "torch", "--depth", "10")
    assert code == 0
    assert "No figure" in err
    assert out.endswith("Open report/index.html\n")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "30"], "no measurement in"),
        (["--campaign", "quik"], "Did you mean quick?"),
        (["--pattern", "groupd"], "Did you mean grouped?"),
        (["--baseline", "tensorrt"], "tensorrt"),
        (["--environment", "ffff"], "unknown environment"),
        (["--environment", ""], "--environment is empty"),
        (["--model", ""], "--model is empty"),
        (["--baseline", ""], "--baseline is empty"),
        (["--out", ""], "--out is empty"),
        (["--csv", "", "--no-figures"], "--csv is empty"),
        (["--json", "--out", "elsewhere"], "ask for them with --figures"),
        (["--no-figures", "--out", "report"], "ask for them with --figures"),
        (["--out", "/dev/null/x"], "Give another folder with --out"),
        (["--csv", "/dev/null/x.csv", "--no-figures"], "cannot write /dev/null/x.csv"),
        (["--depth", "-1"], "-1"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert list(Path().iterdir()) == []


def test_nothing_measured_yet(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "none.sqlite"
    code, out, err = run("--db", missing)
    assert (code, out) == (2, "")
    assert "hwnas measure" in err
    assert err.count("\n") == 1
    assert not missing.exists()
    LatencyStore.open(missing).close()
    code, out, err = run("--db", missing)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Run hwnas measure first" in err


def test_environments_are_not_mixed(run: Run, database: Path) -> None:
    other = example_environment("Other CPU")
    with LatencyStore.open(database) as store:
        uid = store.campaign("quick", {}, other).uid
        for m in SyntheticHost(2).group(pattern_workload("standard", depth=10, width=64), {TORCH: 0.5}):
            store.add(m, other, campaign_uid=uid)
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "--environment" in err
    assert other.fingerprint in err
    _, out, _ = run("--json", "--environment", other.fingerprint[:6])
    (cell,) = json.loads(out)
    assert cell["latency_s"] == pytest.approx(0.5, rel=0.05)


def test_this_hosts_environment_comes_first(run: Run, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = example_environment("Other CPU")
    with LatencyStore.open(database) as store:
        uid = store.campaign("quick", {}, here).uid
        for m in SyntheticHost(2).group(pattern_workload("standard", depth=10, width=64), {TORCH: 0.5}):
            store.add(m, here, campaign_uid=uid)
    monkeypatch.setattr("hwnas.cli.report.probe_environment", lambda: here)
    _, out, _ = run("--json")
    assert [c["environment"] for c in json.loads(out)] == [here.fingerprint]


@pytest.mark.usefixtures("database")
def test_a_table_needs_no_matplotlib() -> None:
    code = """
import sys
from hwnas.cli.main import main
sys.argv = ["hwnas", "report", "--no-figures"]
try:
    main()
finally:
    print([m for m in ("torch", "matplotlib", "openvino", "pandas") if m in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("database")
def test_a_reader_who_has_gone_is_no_error() -> None:
    """As `hwnas report | head -1` leaves the rest; so little of it that it is written when all is done."""
    command = [sys.executable, "-m", "hwnas", "report", "--no-figures", "--pattern", "grouped", "--depth", "10"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    # Rich ends with 1 where it is the first to notice.
    assert done.returncode in (0, 1)
    assert done.stderr == ""
