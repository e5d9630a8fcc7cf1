"""Fit on what was really measured here, and predict with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, runner

import hwnas
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.store import LatencyStore
from hwnas.workloads.patterns import pattern_workload

OPENVINO = "openvino:cpu:fp32"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with seven small networks."""
    path = tmp_path_factory.mktemp("measured") / "latency.sqlite"
    quick = Settings(passes=1, max_passes=1, budget_s=0.1, warmup_s=0.02, min_rounds=2)
    with LatencyStore.open(path) as store:
        names = ("standard", "bottleneck", "depthwise_separable", "grouped", "factorized")
        workloads = [pattern_workload(name, depth=3, width=32, resolution=14) for name in names]
        workloads += [pattern_workload("standard", depth=d, width=48, resolution=14) for d in (1, 2, 4, 5)]
        with measuring_lock("tests"):
            measure_workloads(store, probe_environment(), workloads, [OPENVINO], 1, Silent(), quick)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return runner(monkeypatch, capsys)


def test_fit_and_predict(run: Run, measured: Path) -> None:
    code, out, err = run("fit", "--db", measured)
    assert (code, err) == (0, "")
    assert "within 10 %" in out
    assert f"{OPENVINO}: kept in" in out
    code, out, _ = run("predict", "zoo:squeezenet1_1", "--input", "1x3x64x64", "--explain")
    assert code == 0
    assert "with 90 % confidence" in out
    assert "Costliest kernels" in out


def test_predictions_as_json(run: Run, measured: Path) -> None:
    run("fit", "--db", measured, "--backend", "openvino:cpu:fp32", "--out", "mine")
    code, out, _ = run(
        "predict", "zoo:squeezenet1_1", "--input", "1x3x64x64", "--predictor", "mine", "--json", "--batch", "2"
    )
    assert code == 0
    found = json.loads(out)
    low, high = found["interval_ms"]
    assert 0 < low < found["latency_ms"] < high
    assert found["batch"] == 2
    assert found["backend"] == OPENVINO
    assert isinstance(found["in_range"], bool)
    assert len(found["host"]) == 12


def test_what_is_asked_for_must_be_the_predictors(run: Run, measured: Path) -> None:
    run("fit", "--db", measured, "--backend", OPENVINO, "--out", "mine")
    for option, value in (("--backend", "torch:cpu:fp32"), ("--threads", "2")):
        code, out, err = run("predict", "zoo:squeezenet1_1", "--predictor", "mine", option, value)
        assert (code, out) == (2, "")
        assert f"{option} asks for {value}" in err


def test_a_backend_that_cannot_list_is_refused(run: Run, measured: Path) -> None:
    code, _, err = run("fit", "--db", measured, "--backend", "torch-mkldnn:cpu:fp32")
    assert code == 2
    assert "without running them" in err


def test_one_folder_holds_one_backend(run: Run, tmp_path: Path) -> None:
    """Told before half an hour is spent."""
    code, _, err = run("fit", "--measure", "30m", "--out", "mine", "--db", tmp_path / "new.sqlite")
    assert code == 2
    assert "--backend" in err
    assert not (tmp_path / "new.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "zoo:squeezenet1_1"), "hwnas fit"),
        (("predict", "zoo:squeezenet1_1", "--predictor", "nowhere"), "no predictor in nowhere"),
        (("predict", "zoo:nothing"), "unknown"),
        (("predict", "zoo:squeezenet1_1", "--backend", "nonsense"), "unknown backend"),
        (("predict", "zoo:squeezenet1_1", "--input", "1xNaN"), "--input"),
        (("fit", "--db", "missing.sqlite"), "missing.sqlite"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_too_few_networks_are_told(run: Run, tmp_path: Path) -> None:
    with LatencyStore.open(tmp_path / "few.sqlite") as store:
        hwnas.measure(
            pattern_workload("standard", depth=1, width=8, resolution=8),
            backends=[OPENVINO],
            settings=Settings(passes=1, max_passes=1, budget_s=0.05, warmup_s=0.02, min_rounds=2),
            store=store,
        )
    code, _, err = run("fit", "--db", tmp_path / "few.sqlite", "--backend", OPENVINO)
    assert code == 2
    assert "has 1 networks" in err
