"""Predictors are those of their host; those of others say so, or are refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_kernels import convolution, training_set

import hwnas
from hwnas.core.environment import Environment
from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import Measurement
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.predicting import locating
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.hosts import alike, difference
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.locating import find_predictor, own_folder, predictor_name
from hwnas.predicting.predictor import LatencyPredictor

HERE = Environment("A processor", "x86_64", 2, 2**34, instruction_sets=("avx2",), versions={"torch": "2.0"})
ELSEWHERE = replace(HERE, cpu_model="Another")
NEW = Workload("torchvision", "new", (1, 3, 56, 56))
KERNELS = (KernelFacts.of(convolution(64, 128, 28)),)


@pytest.fixture(scope="module")
def predictor() -> LatencyPredictor:
    return fit_predictor(training_set(4, 3), HERE, trees=3).predictor


@pytest.fixture
def shipping(predictor: LatencyPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the only predictor that ships, where the user has none."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("hwnas.predicting.locating.data_folder", lambda name: tmp_path / name)
    return predictor.save(
        tmp_path / "latency_db" / "a-host" / "predictors" / predictor_name(predictor.backend, 1)
    )


def test_one_of_another_host_is_refused(predictor: LatencyPredictor, tmp_path: Path) -> None:
    folder = predictor.save(tmp_path / "predictor")
    with pytest.raises(UsageError, match=r"A processor .* Another .*any_host=True"):
        LatencyPredictor.load(folder, environment=ELSEWHERE)
    # Without a word about hosts, this one is meant.
    with pytest.raises(UsageError, match=probe_environment().fingerprint):
        LatencyPredictor.load(folder)


def test_what_another_hosts_predictor_says_is_out_of_range_and_without_a_confidence(
    predictor: LatencyPredictor, tmp_path: Path
) -> None:
    folder = predictor.save(tmp_path / "predictor")
    own = LatencyPredictor.load(folder, environment=HERE).predict(NEW, kernels=KERNELS)
    assert (own.in_range, own.warnings, own.elsewhere, own.confidence) == (True, (), "", 0.9)
    assert own.record()["host_note"] is None
    found = LatencyPredictor.load(folder, environment=ELSEWHERE, any_host=True).predict(NEW, kernels=KERNELS)
    assert found.latency_s == own.latency_s
    assert not found.in_range
    assert found.confidence is None
    assert "another host, A processor" in found.warnings[0]
    record = json.loads(json.dumps(found.record()))
    assert record["confidence"] is None
    assert "another host, A processor" in record["host_note"]
    assert record["warnings"] == list(found.warnings)


def test_the_hosts_own_predictor_goes_before_a_shipped_one(predictor: LatencyPredictor, shipping: Path) -> None:
    backend = predictor.backend
    with pytest.raises(UsageError, match="hwnas fit"):
        find_predictor(HERE, backend, 2)
    # Begun and never finished.
    own = own_folder(HERE, backend, 1)
    own.mkdir(parents=True)
    (own / "forests.npz").write_bytes(b"")
    found, note = find_predictor(HERE, backend, 1)
    assert (found.networks, note) == (predictor.networks, "")
    found, note = find_predictor(ELSEWHERE, backend, 1)
    assert "another host, A processor" in note
    assert note in found.predict(NEW, kernels=KERNELS).warnings[0]
    mine = LatencyPredictor.load(shipping, environment=HERE)
    mine.networks = 99
    mine.save(own)
    found, note = find_predictor(HERE, backend, 1)
    assert (found.networks, note) == (99, "")


@pytest.mark.parametrize(
    "other",
    [
        replace(ELSEWHERE, architecture="aarch64"),
        replace(ELSEWHERE, instruction_sets=("avx2", "avx512f")),
        replace(ELSEWHERE, instruction_sets=()),
    ],
)
def test_a_host_of_another_class_gets_no_shipped_predictor(
    predictor: LatencyPredictor, shipping: Path, other: Environment
) -> None:
    """Its runtimes choose other kernels than any that was measured."""
    assert not alike(HERE, other)
    with pytest.raises(UsageError, match=r"no predictor of .*; one ships for A processor \(avx2\)"):
        find_predictor(other, predictor.backend, 1)


def test_a_shipped_predictor_that_cannot_be_read_is_an_error(
    predictor: LatencyPredictor, shipping: Path
) -> None:
    (shipping / "predictor.json").write_text('{"schema": 99}')
    with pytest.raises(UsageError, match=r"ships with hwnas is broken: .*schema 99"):
        find_predictor(HERE, predictor.backend, 1)


def test_a_backend_has_a_short_name_here_too(predictor: LatencyPredictor, shipping: Path) -> None:
    assert predictor.backend == "openvino:cpu:fp32"
    found, note = find_predictor(HERE, "openvino:cpu", 1)
    assert (found.networks, note) == (predictor.networks, "")
    with pytest.raises(UnknownName, match=r"unknown backend 'openvio:cpu:fp32'.*openvino:cpu:fp32"):
        find_predictor(HERE, "openvio:cpu:fp32", 1)
    with pytest.raises(UsageError, match="--threads 2, then hwnas fit --backend openvino:cpu:fp32"):
        find_predictor(HERE, "openvino:cpu", 2)


@pytest.mark.parametrize(("host", "told"), [(HERE, ""), (ELSEWHERE, "another host, A processor")])
def test_the_predictor_for_this_host_says_itself_where_it_is_from(
    predictor: LatencyPredictor,
    shipping: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: Environment,
    told: str,
) -> None:
    monkeypatch.setattr(locating, "probe_environment", lambda: host)
    found = hwnas.host_predictor("openvino:cpu")
    assert found.networks == predictor.networks
    assert told in found.elsewhere
    assert bool(found.elsewhere) == bool(told)


def test_of_equal_processors_it_is_told_what_differs() -> None:
    assert difference(HERE, HERE) == ""
    newer = replace(HERE, logical_cpus=4, versions={"torch": "2.1"})
    assert "but for its logical cpus, torch 2.0 (here 2.1)" in difference(HERE, newer)
    # As much memory as anybody counts.
    booted = replace(HERE, memory_bytes=HERE.memory_bytes - 4096, versions={"torch": "2.1"})
    assert "but for its torch 2.0 (here 2.1)" in difference(HERE, booted)


def _shipped_folders() -> list[Path]:
    return sorted((Path(__file__).parents[2] / "latency_db").glob("*/predictors/*"))


def _measured(folder: Path, predictor: LatencyPredictor, *names: str) -> list[Measurement]:
    """One measurement of each network on the predictor's host, out of the file that ships beside it."""
    found: dict[str, Measurement] = {}
    with gzip.open(folder.parents[1] / "measurements.jsonl.gz", "rt") as lines:
        for line in lines:
            name = next(
                (n for n in names if n not in found and f'"name":"{n}","input_shape":[1,' in line), None
            )
            if name is not None:
                measurement = Measurement.from_dict(json.loads(line)["measurement"])
                same = (measurement.backend, measurement.threads) == (predictor.backend, predictor.threads)
                if same and measurement.kernels and measurement.blocks:
                    found[name] = measurement
    return list(found.values())


@pytest.mark.parametrize("folder", _shipped_folders(), ids=lambda f: f"{f.parts[-3]}-{f.name}")
def test_every_predictor_that_ships_tells_a_latency_that_was_measured(folder: Path) -> None:
    """The real files, in the schema that this version reads, on a network of the shipped measurements."""
    predictor = LatencyPredictor.load(folder, any_host=True)
    assert predictor_name(predictor.backend, predictor.threads) == folder.name
    # Without poolings, whose windows PyTorch's older measurements do not tell.
    (measured,) = _measured(folder, predictor, "mobilenet_v2")
    kernels = [KernelFacts.of(kernel) for kernel in measured.kernels]
    found = predictor.predict(measured.workload, kernels=kernels)
    # The shared host's speed went up and down by a sixth while it was measured.
    assert found.latency_s == pytest.approx(measured.median_s, rel=0.4)
    assert found.share("measured") > 0.5


def test_predictors_ship() -> None:
    assert {folder.name for folder in _shipped_folders()} >= {"openvino-cpu-fp32-t1", "torch-cpu-fp32-t1"}
