"""Fit on what was really measured here, and predict with it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command_line import Run, runner

from hwnas.cli import adapted
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.locating import own_folder
from hwnas.predicting.measuring_more import measure_more, measure_workloads
from hwnas.predicting.prediction import Prediction
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_measurement
from hwnas.workloads.layer_chain import chain_workload
from hwnas.workloads.models import parse_model

OPENVINO = "openvino:cpu:fp32"


@pytest.fixture(scope="module")
def predictor(measured_chains: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a predictor with few trees."""
    here = probe_environment()
    with LatencyStore.open(measured_chains, read_only=True) as store:
        training = read_training_set(store, here.fingerprint, OPENVINO, 1)
    return fit_predictor(training, here, trees=10).predictor.save(tmp_path_factory.mktemp("predictor"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return runner(monkeypatch, capsys)


def test_fit_and_predict(run: Run, measured_chains: Path) -> None:
    code, out, err = run("fit", "--db", measured_chains)
    assert (code, err) == (0, "")
    assert "within 10 %" in out
    assert f"{OPENVINO}: kept in" in out
    code, out, _ = run("predict", "zoo:squeezenet1_1", "--input", "1x3x64x64", "--explain")
    assert code == 0
    assert "with 90 % confidence" in out
    assert "Costliest kernels" in out


def test_predictions_as_json(run: Run, predictor: Path) -> None:
    model = ("zoo:squeezenet1_1", "--input", "1x3x64x64", "--batch", "2")
    code, out, _ = run("predict", *model, "--predictor", predictor, "--json", "--explain")
    assert code == 0
    found = json.loads(out)
    low, high = found["interval_ms"]
    assert 0 < low < found["latency_ms"] < high
    assert found["batch"] == 2
    assert found["model"] == "torchvision:squeezenet1_1"
    assert found["backend"] == OPENVINO
    assert isinstance(found["in_range"], bool)
    assert len(found["host"]) == 12
    kernels = found["kernels"]
    assert 1e3 * sum(k["time_s"] for k in kernels) == pytest.approx(found["latency_ms"])
    # Every convolution computes and moves something.
    limits = [(k["compute_s"], k["memory_s"]) for k in kernels if k["type"] == "Convolution"]
    assert len(limits) > 10
    assert min(map(min, limits)) > 0
    code, out, _ = run("predict", *model, "--predictor", predictor, "--json")
    assert "kernels" not in json.loads(out)
    # All of them stand on the command's page.
    page = (Path(__file__).parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")
    told = page.partition("\nIts keys: ")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", told)) - {"null"} == set(found)


def test_what_is_asked_for_must_be_the_predictors(run: Run, predictor: Path) -> None:
    for option, value in (("--backend", "torch:cpu:fp32"), ("--threads", "2")):
        code, out, err = run("predict", "zoo:squeezenet1_1", "--predictor", predictor, option, value)
        assert (code, out) == (2, "")
        assert f"{option} asks for {value}" in err


def test_another_hosts_predictor_is_adapted(
    run: Run, predictor: Path, measured_chains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three networks are chosen and really measured; the others in the database say what was gained."""
    elsewhere = LatencyPredictor.load(predictor)
    elsewhere.environment = replace(elsewhere.environment, cpu_model="A processor of somebody else")
    theirs = elsewhere.save(tmp_path / "theirs")
    # The zoo and the study's patterns would take minutes.
    chains = [partial(chain_workload, f"c{w}k3,n,r|p|l10", 1, 16) for w in range(8, 48, 8)]
    monkeypatch.setattr(adapted, "NETWORKS", {str(c): SimpleNamespace(workload=c) for c in chains})
    monkeypatch.setattr(adapted, "PATTERNS", ())
    quick = Settings(passes=1, max_passes=1, budget_s=0.05, warmup_s=0.02, min_rounds=2)
    monkeypatch.setattr(adapted, "measure_workloads", partial(measure_workloads, settings=quick))
    database = tmp_path / "latency.sqlite"
    shutil.copy(measured_chains, database)
    code, out, err = run("fit", "--from", theirs, "--samples", "3", "--out", "mine", "--db", database)
    assert (code, err) == (0, "")
    assert "adapted from A processor of somebody else" in out
    assert "with 3 networks of this host; kept in mine" in out
    assert re.search(r"Mean error on the 9 other networks of this host in the database: \d", out)
    assert re.search(r"learned from the same samples alone: \d", out)
    mine = LatencyPredictor.load("mine", environment=probe_environment())
    assert mine.networks == 3
    with LatencyStore.open(database, read_only=True) as store:
        assert store.count() == 9 + 3
    code, out, _ = run("predict", "zoo:squeezenet1_1", "--input", "1x3x64x64", "--predictor", "mine", "--json")
    assert code == 0
    assert json.loads(out)["host_note"] is None


def test_another_hosts_predictor_is_refused_or_says_so(run: Run, predictor: Path, tmp_path: Path) -> None:
    elsewhere = LatencyPredictor.load(predictor)
    elsewhere.environment = replace(elsewhere.environment, cpu_model="A processor of somebody else")
    theirs = elsewhere.save(tmp_path / "theirs")
    model = ("zoo:squeezenet1_1", "--input", "1x3x64x64", "--predictor", theirs)
    code, out, err = run("predict", *model)
    assert (code, out) == (2, "")
    assert "A processor of somebody else" in err
    assert "--any-host" in err
    assert len(err.strip().splitlines()) == 1
    code, out, _ = run("predict", *model, "--any-host")
    assert code == 0
    assert "on ANOTHER HOST" in out
    assert "OUT OF range" in out
    assert "warning: the predictor was made on another host, A processor of somebody else" in out
    code, out, _ = run("predict", *model, "--any-host", "--json")
    found = json.loads(out)
    assert (found["in_range"], found["confidence"]) == (False, None)
    assert "A processor of somebody else" in found["host_note"]


def test_a_better_predictor_is_not_replaced_by_an_adapted_one(
    run: Run, predictor: Path, tmp_path: Path
) -> None:
    database = tmp_path / "new.sqlite"
    code, _, err = run("fit", "--from", predictor, "--samples", "3", "--out", predictor, "--db", database)
    assert code == 2
    assert "learned from 9 networks, and one of 3 would replace it. Keep the new one elsewhere" in err
    assert len(err.strip().splitlines()) == 1
    assert not database.exists()


def test_nor_where_too_few_samples_could_be_measured(
    run: Run, predictor: Path, measured_chains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three were asked for, one has a latency, and what is there has learned from two."""
    there = LatencyPredictor.load(predictor)
    there.networks = 2
    there.save(tmp_path / "mine")
    with LatencyStore.open(measured_chains, read_only=True) as store:
        known = read_training_set(store, probe_environment().fingerprint, OPENVINO, 1).networks[0].workload
    chains = [lambda: known, *(partial(chain_workload, f"c{w}k3,n,r|p|l10", 1, 16) for w in (8, 16))]
    monkeypatch.setattr(adapted, "NETWORKS", {str(c): SimpleNamespace(workload=c) for c in chains})
    monkeypatch.setattr(adapted, "PATTERNS", ())
    monkeypatch.setattr(adapted, "measure_workloads", lambda *_: None)
    database = tmp_path / "latency.sqlite"
    shutil.copy(measured_chains, database)
    code, _, err = run("fit", "--from", predictor, "--samples", "3", "--out", "mine", "--db", database)
    assert code == 2
    assert "learned from 2 networks, and one of 1 would replace it" in err
    assert LatencyPredictor.load(tmp_path / "mine").networks == 2


def test_where_all_networks_are_of_one_family_it_is_said(
    run: Run, measured_chains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run("fit", "--db", measured_chains, "--trees", "3", "--out", "mine")
    assert code == 0
    assert "of one family" not in out
    monkeypatch.setattr("hwnas.predicting.training_set.family_of", lambda workload: "chains")
    code, out, _ = run("fit", "--db", measured_chains, "--trees", "3", "--out", "mine")
    assert code == 0
    assert f"{OPENVINO}: all networks are of one family, and each was predicted without itself" in out


def test_measuring_ends_with_its_time_and_says_how_much_is_left(
    run: Run, measured_chains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(rng: np.random.Generator) -> Workload:
        width = 8 * int(rng.integers(1, 60))
        return chain_workload(f"c{width}k3,n,r|c{2 * width}k1,n", 3, 16)

    quick = Settings(passes=1, max_passes=1, budget_s=0.05, min_rounds=2, warmup_s=0.02, warmup_cap_s=0.05)
    measuring = partial(measure_more, settings=quick, at_once=200, draw=draw)
    monkeypatch.setattr("hwnas.cli.fit.measure_more", measuring)
    database = tmp_path / "latency.sqlite"
    shutil.copy(measured_chains, database)
    code, out, err = run("fit", "--measure", "3s", "--backend", OPENVINO, "--trees", "5", "--db", database)
    assert (code, err) == (0, "")
    assert "choosing what to measure next ..." in out
    assert re.search(r"\[cell \d+\] .* \(about .* of 3 s left\)", out)
    measured = re.search(r"Measured (\d+) cells more", out)
    assert measured is not None
    assert 1 <= int(measured[1]) < 100
    own = own_folder(probe_environment(), OPENVINO, 1)
    assert len(LatencyPredictor.load(own).kernel_model.everything.forest.roots) == 5


def test_measured_backends_that_cannot_be_learned_are_named(
    run: Run, measured_chains: Path, tmp_path: Path
) -> None:
    database = tmp_path / "latency.sqlite"
    shutil.copy(measured_chains, database)
    here = probe_environment()
    with LatencyStore.open(database) as store:
        for number, backend in enumerate(("torch:cpu:fp32", "torch-mkldnn:cpu:fp32")):
            store.add(example_measurement(f"u{number}", group=f"g{number}", backend=backend), here)
    code, out, err = run("fit", "--db", database, "--trees", "3", "--out", "mine")
    assert (code, err) == (0, "")
    assert re.search(r"torch:cpu:fp32 is left out: .* has 1 networks", out)
    assert "torch-mkldnn:cpu:fp32 is left out: torch-mkldnn:cpu:fp32 cannot tell its kernels" in out
    assert f"{OPENVINO}: kept in mine" in out


def test_a_backend_that_cannot_list_is_refused(run: Run, measured_chains: Path) -> None:
    code, _, err = run("fit", "--db", measured_chains, "--backend", "torch-mkldnn:cpu:fp32")
    assert code == 2
    assert "without running them" in err


def test_one_folder_holds_one_backend(run: Run, tmp_path: Path) -> None:
    """Told before half an hour is spent."""
    code, _, err = run("fit", "--measure", "30m", "--out", "mine", "--db", tmp_path / "new.sqlite")
    assert code == 2
    assert "--backend" in err
    assert not (tmp_path / "new.sqlite").exists()


def test_a_record_tells_which_network_of_a_space_it_is_of() -> None:
    for model, told in (
        ("space:patterns:standard,16,1,3+grouped,32,1,3+depthwise_separable,64,1,3", None),
        ("zoo:squeezenet1_1", "torchvision:squeezenet1_1"),
    ):
        found = Prediction(parse_model(model), OPENVINO, 1, "0" * 12, 1e-3, 9e-4, 2e-3, in_range=True)
        assert found.record()["model"] == (told or model)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict", "zoo:squeezenet1_1", "--threads", "2"), "--threads 2, then hwnas fit"),
        (("predict", "zoo:squeezenet1_1", "--predictor", "nowhere"), "no predictor in nowhere"),
        (("predict", "zoo:nothing"), "unknown"),
        (("predict", "zoo:squeezenet1_1", "--backend", "nonsense"), "unknown backend"),
        (("predict", "zoo:squeezenet1_1", "--backend", "torch-mkldnn"), "without running them"),
        (("predict", "zoo:squeezenet1_1", "--input", "1xNaN"), "--input"),
        (("predict", "zoo:squeezenet1_1", "--input", ""), "--input is empty"),
        (("predict", "zoo:squeezenet1_1", "--input", "1x0x64x64"), "--input"),
        (("predict", "zoo:squeezenet1_1", "--predictor", ""), "--predictor is empty"),
        (("fit", "--db", "missing.sqlite"), "missing.sqlite"),
        (("fit", "--db", "."), "is a directory"),
        (("fit", "--measure", "nan"), "cannot read the quantity 'nan'"),
        (("fit", "--from", "."), "no predictor in ."),
        (("predict", "."), "cannot read the model '.'"),
        (("predict", "nothing.onnx"), "there is no file nothing.onnx"),
        (("predict", "zoo:squeezenet1_1", "--input", "1x" + "9" * 5000), "cannot read the input shape"),
        (("predict", "space:nothing.yaml:a"), "unknown search space"),
        (("predict", "zoo:squeezenet1_1", "--any-host"), "--any-host goes with --predictor"),
        (("fit", "--from", "nowhere", "--trees", "3"), "Leave out --backend, --threads, --measure, --trees"),
        (("fit", "--environment", ""), "--environment is empty"),
        (("fit", "--out", ""), "--out is empty"),
        (("fit", "--backend", ""), "--backend is empty"),
        (("fit", "--samples", "3"), "--samples goes with --from"),
        (("fit", "--from", "nowhere", "--samples", "3"), "no predictor in nowhere"),
        (("fit", "--from", "nowhere", "--threads", "1"), "Leave out --backend, --threads"),
        (("fit", "--from", "nowhere", "--measure", "1m"), "Leave out --backend, --threads, --measure"),
    ],
)
def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_a_networks_own_mistakes_are_one_line(run: Run, predictor: Path, tmp_path: Path) -> None:
    """Sizes that it does not take, and a file that leaves them open."""
    from hwnas.backends.openvino_runtime import import_openvino

    ov = import_openvino()
    convolution = torch.nn.Conv2d(3, 4, 3).eval()
    model = ov.convert_model(torch.export.export(convolution, (torch.zeros(1, 3, 8, 8),), strict=False))
    model.reshape([-1, 3, 8, 8])
    ov.save_model(model, tmp_path / "open.xml", compress_to_fp16=False)
    for asked, said in (
        (("zoo:squeezenet1_1", "--input", "1x5x64x64"), "cannot run on an input of shape 1x5x64x64"),
        (("open.xml",), "which is not static. Give the shape with --input"),
    ):
        code, out, err = run("predict", *asked, "--predictor", predictor)
        assert (code, out) == (2, "")
        assert said in err
        assert "--input" in err
        assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ("100000000", "an input of shape 100000000x3x224x224 would need"),
        ("100000000000000", "too many values"),
        (str(10**30), "too many values"),
    ],
)
def test_a_batch_that_does_not_fit_into_memory_is_one_line(
    run: Run, predictor: Path, batch: str, said: str
) -> None:
    code, out, err = run("predict", "zoo:squeezenet1_1", "--batch", batch, "--predictor", predictor)
    assert (code, out) == (2, "")
    assert said in err
    assert "Give a smaller --batch" in err
    assert len(err.strip().splitlines()) == 1


def test_more_samples_than_networks_are_refused(run: Run, predictor: Path, tmp_path: Path) -> None:
    database = tmp_path / "new.sqlite"
    code, _, err = run("fit", "--from", predictor, "--samples", "1000", "--db", database)
    assert code == 2
    assert "--samples 1000 is more than there are networks. At most 34" in err
    assert not database.exists()


def test_too_few_networks_are_told(run: Run, tmp_path: Path) -> None:
    with LatencyStore.open(tmp_path / "few.sqlite") as store:
        store.add(example_measurement(), probe_environment())
    code, _, err = run("fit", "--db", tmp_path / "few.sqlite", "--backend", OPENVINO)
    assert code == 2
    assert "has 1 networks" in err
    code, _, err = run("fit", "--db", tmp_path / "few.sqlite", "--threads", str(10**25))
    assert code == 2
    assert "has no backend with 9 networks" in err
    assert len(err.strip().splitlines()) == 1
