"""NetAdapt as a search: trained, shrunk until the measurement holds the limit, told, and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jobs_lab import Hearing
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Status
from hwnas.jobs import netadapt_job
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search
from hwnas.jobs.start_network import start_network
from hwnas.measuring.api import BackendResult
from hwnas.measuring.statistics import Estimate
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.training.datasets import load_data
from hwnas.workloads.counting import count

BACKEND = "openvino:cpu:fp32"


class Counted:
    """In place of a predicted latency: 1 ns for each multiply-add."""

    def __init__(self, predictor: object, images: torch.Tensor) -> None:
        self._images = images

    def __call__(self, network: nn.Module) -> float:
        return 1e-9 * count(network, (self._images,), "it").macs


class Predictor:
    backend, threads = BACKEND, 1


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Latencies by counting; measured ones are 1.3 times as long. Gives what was measured."""
    measured: list[float] = []

    def measure(network: nn.Module, images: torch.Tensor, **_: Any) -> dict[str, BackendResult]:
        s = 1.3 * Counted(None, images)(network)
        measured.append(s)
        found = Estimate(s, 0.99 * s, 1.01 * s, s, 0.0, 0.0, 3, 9, None)
        return {BACKEND: BackendResult(BACKEND, Status.OK, "", found, None, ())}

    monkeypatch.setattr(netadapt_job, "PredictedLatency", Counted)
    monkeypatch.setattr(netadapt_job, "_predictor", lambda *_: Predictor())
    monkeypatch.setattr(netadapt_job, "measure", measure)
    monkeypatch.setattr(netadapt_job, "export_files", lambda *_: [])
    settings = NetAdaptSettings(reduction=0.2, short_steps=2, long_steps=4, candidates=2)
    monkeypatch.setattr(netadapt_job, "_SETTINGS", settings)
    return measured


def options_for(space_file: Path, limit_s: float) -> SearchOptions:
    model = f"space:{space_file}:depthwise_separable,16,2,3+standard,32,1,3"
    return SearchOptions(engine="netadapt", start=model, max_latency_s={BACKEND: limit_s}, epochs=2)


def test_a_network_is_shrunk_until_the_measurement_holds(
    space_file: Path, tmp_path: Path, made_up: list[float]
) -> None:
    options = options_for(space_file, 1e-3)
    start = start_network(str(options.start), load_data("digits"), None, 0)
    whole_s = Counted(None, torch.zeros(1, 1, 8, 8))(start.network)
    options = replace(options, max_latency_s={BACKEND: 0.8 * whole_s})
    record = search(options, tmp_path / "out")
    # What was measured of the whole network says how far predictions are to be trusted.
    assert made_up[0] == pytest.approx(1.3 * whole_s)
    assert made_up[1] <= 0.8 * whole_s
    assert record["verdict"] == "FEASIBLE"
    assert record["latencies"][0]["latency_ms"] == pytest.approx(1e3 * made_up[1])
    assert any("1.30 times what the predictor" in notice for notice in record["notices"])
    latencies = [t["costs"][f"latency {BACKEND}"]["median"] for t in record["search"]["trials"]]
    assert latencies[0] == pytest.approx(whole_s)
    assert latencies == sorted(latencies, reverse=True)
    assert 0 < record["accuracy"]["mean"] < 1
    assert "NetAdapt" in (tmp_path / "out" / "index.html").read_text()

    heard = Hearing()
    again = search(options, tmp_path / "out", resume=True, listener=heard)
    assert again["search"]["trials"] == record["search"]["trials"]
    assert again["accuracy"] == record["accuracy"]
    assert not any("fine-tuning" in phase for phase in heard.phases)


def test_start_networks_fit_the_data() -> None:
    data = load_data("digits")
    start = start_network("zoo:squeezenet1_1", data, None, 0)
    assert start.workload.input_shape == (1, 3, 32, 32)
    assert start.data.input_shape == (3, 32, 32)
    assert len(start.data.test) == len(data.test)
    with torch.no_grad():
        assert start.network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert not start.trained


def test_what_cannot_be_shrunk_is_one_line(space_file: Path, tmp_path: Path, made_up: list[float]) -> None:
    with pytest.raises(UsageError, match="cannot be reached"):
        search(options_for(space_file, 1e-9), tmp_path / "out")
    with pytest.raises(UsageError, match="one latency limit"):
        search(replace(options_for(space_file, 1.0), max_count={"macs": 1e6}), tmp_path / "other")
