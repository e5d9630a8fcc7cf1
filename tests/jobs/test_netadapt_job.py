"""NetAdapt as a search: trained, shrunk until the measurement holds the limit, told, and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from jobs_lab import Hearing
from torch import nn

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, HwnasError, UsageError
from hwnas.core.kernel import Kernel
from hwnas.jobs import netadapt_job
from hwnas.jobs.feasibility import LatencyProof
from hwnas.jobs.module_proof import ModuleProof
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search
from hwnas.jobs.start_network import start_network
from hwnas.measuring.statistics import Estimate
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.training.datasets import load_data
from hwnas.training.loop import check_scores
from hwnas.training.rescaled_images import rescaled
from hwnas.workloads.counting import count

BACKEND = "openvino:cpu:fp32"
KERNELS = (Kernel(0, "first", "Convolution", "brgconv", "f32", time_s=1e-6),)


class Counted:
    """In place of a predicted latency, whose upper end is 1 ns for each multiply-add."""

    def __init__(self, predictor: object, images: torch.Tensor) -> None:
        self._images = images

    def __call__(self, network: nn.Module) -> float:
        return self.interval(network)[2]

    def interval(self, network: nn.Module) -> tuple[float, float, float]:
        upper_s = 1e-9 * count(network, (self._images,), "it").macs
        return 0.8 * upper_s, 0.6 * upper_s, upper_s


class Predictor:
    backend, threads = BACKEND, 1


#: Of the predictor.
NOTE = "the predictor was fitted on another processor"


@dataclass
class World:
    """In place of a machine: latencies are 1.3 times as long as the predictor's upper end.

    Args:
        half_width: Of measured intervals, relative; one for each measurement, the last for all others.
        measured: What was measured, in order [s].
        digest: Of the predictor.
        cpu: Of the host.
    """

    half_width: list[float] = field(default_factory=lambda: [0.01])
    measured: list[float] = field(default_factory=list)
    digest: str = "made-up"
    cpu: str = "A processor"

    def prove(
        self, timer: object, network: nn.Module, images: torch.Tensor, backend: str, limit_s: float | None
    ) -> ModuleProof:
        s = 1.3 * Counted(None, images)(network)
        width = self.half_width[min(len(self.measured), len(self.half_width) - 1)]
        self.measured.append(s)
        found = Estimate(s, (1 - width) * s, (1 + width) * s, s, 0.0, 0.0, 3, 9, None)
        return ModuleProof(LatencyProof(backend, found, limit_s), KERNELS)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr(netadapt_job, "PredictedLatency", Counted)
    monkeypatch.setattr(netadapt_job, "_predictor", lambda *_: (Predictor(), NOTE))
    monkeypatch.setattr(netadapt_job, "predictor_digest", lambda _: found.digest)
    monkeypatch.setattr(netadapt_job, "probe_environment", lambda: Environment(found.cpu, "x86_64", 2, 2**34))
    monkeypatch.setattr(netadapt_job, "prove_module", found.prove)
    monkeypatch.setattr(netadapt_job, "export_files", lambda *_: [])
    settings = NetAdaptSettings(reduction=0.2, short_steps=2, long_steps=4, candidates=2)
    monkeypatch.setattr(netadapt_job, "_SETTINGS", settings)
    return found


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.report.search.page.write_search_page", lambda *_: [])


@pytest.fixture
def trained_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the network came from a folder with its weights."""
    real: Callable[..., Any] = netadapt_job.start_network
    monkeypatch.setattr(netadapt_job, "start_network", lambda *a: replace(real(*a), trained=True))


def options_for(space_file: Path, share: float) -> SearchOptions:
    """A limit of so many multiply-adds of the whole network, 1 ns each."""
    model = f"space:{space_file}:depthwise_separable,16,2,3+standard,32,1,3"
    start = start_network(model, load_data("digits"), None, 0)
    whole_s = Counted(None, torch.zeros(1, 1, 8, 8))(start.network)
    return SearchOptions(engine="netadapt", start=model, max_latency_s={BACKEND: share * whole_s}, epochs=2)


def test_a_network_is_shrunk_until_the_measurement_holds(
    space_file: Path, tmp_path: Path, jobs_db: str, world: World
) -> None:
    options = options_for(space_file, 0.8)
    limit_s = options.max_latency_s[BACKEND]
    record = search(options, tmp_path / "out", db=jobs_db)
    # What was measured of the whole network says how far predictions are to be trusted.
    assert world.measured[0] == pytest.approx(1.3 * limit_s / 0.8)
    assert world.measured[1] <= limit_s
    assert record["verdict"] == "FEASIBLE"
    (told,) = record["latencies"]
    assert told["latency_ms"] == pytest.approx(1e3 * world.measured[1])
    assert any("1.30 times what the predictor" in notice for notice in record["notices"])
    assert NOTE in record["notices"]
    # Predictions are told as they were corrected, with the interval that the predictor gave them.
    low, high = told["predicted"]["interval_ms"]
    assert told["predicted"]["latency_ms"] == pytest.approx(1e3 * world.measured[1])
    assert low == pytest.approx(0.75 * told["predicted"]["latency_ms"])
    assert high == pytest.approx(1.25 * told["predicted"]["latency_ms"])
    latencies = [t["costs"][f"latency {BACKEND}"]["median"] for t in record["search"]["trials"]]
    assert latencies[0] == pytest.approx(world.measured[0])
    assert latencies == sorted(latencies, reverse=True)
    assert record["winner"]["steps"] == len(latencies) - 2 > 0
    counts = record["winner"]["counts"]
    assert 1.3e-9 * counts["macs"] == pytest.approx(world.measured[1])
    assert 0 < counts["parameters"] < record["search"]["trials"][0]["costs"]["parameters"]["median"]
    assert [kernel["type"] for kernel in record["winner"]["kernels"]] == ["Convolution"]
    assert 0 < record["accuracy"]["mean"] < 1
    page = (tmp_path / "out" / "index.html").read_text()
    assert f"shrunk in {record['winner']['steps']} step" in page
    assert "several seeds" not in page
    assert f"<h1>{record['accuracy']['mean']:.2%} accurate in" in page
    assert "told no times of kernels" not in page

    heard = Hearing()
    again = search(options, tmp_path / "out", resume=True, listener=heard)
    assert again["search"]["trials"] == record["search"]["trials"]
    assert again["accuracy"] == record["accuracy"]
    assert again["notices"] == record["notices"]
    assert not any("fine-tuning" in phase for phase in heard.phases)


def test_what_stays_unclear_is_shrunk_further(
    space_file: Path, tmp_path: Path, jobs_db: str, world: World, no_page: None
) -> None:
    world.half_width = [0.01, 0.2, 0.01]
    record = search(options_for(space_file, 0.8), tmp_path / "out", db=jobs_db)
    assert record["verdict"] == "FEASIBLE"
    assert len(world.measured) == 3
    assert world.measured[2] < world.measured[1]
    assert sum(t["text"] == "fine-tuned" for t in record["search"]["trials"]) == 2


def test_where_it_cannot_be_shrunk_further_what_there_is_is_told(
    space_file: Path, tmp_path: Path, jobs_db: str, world: World, no_page: None
) -> None:
    """Far from clear, and what would be is out of reach: no error takes the network away."""
    world.half_width = [0.01, 9.0]
    record = search(options_for(space_file, 0.5), tmp_path / "out", db=jobs_db)
    assert record["verdict"] == "UNCLEAR"
    assert len(world.measured) == 2
    assert any("could not be shrunk further: the limit of" in notice for notice in record["notices"])


def test_start_networks_fit_the_data() -> None:
    data = load_data("digits")
    start = start_network("zoo:squeezenet1_1", data, None, 0)
    assert start.workload.input_shape == (1, 3, 32, 32)
    assert start.data.input_shape == (3, 32, 32)
    assert len(start.data.test) == len(data.test)
    with torch.no_grad():
        assert start.network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert not start.trained


OWN = """
import torch
from torch import nn

def grey():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 7))

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(3, 10)

    def forward(self, images):
        scores = self.head(self.body(images))
        return (scores, scores) if self.training else scores

def auxiliary():
    return Two()
"""


def test_networks_of_the_users_own_are_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_start.py").write_text(OWN)
    data = load_data("digits")
    start = start_network("own_start:grey", data, None, 0, batch=2)
    assert start.workload.input_shape == (2, 1, 8, 8)
    with torch.no_grad():
        assert start.network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    with pytest.raises(UsageError, match=r"in training mode is a tuple.*without auxiliary ones"):
        check_scores(start_network("own_start:auxiliary", data, None, 0).network, rescaled(data, 3, 8))


def test_a_network_too_deep_for_the_images_is_told() -> None:
    with pytest.raises(UsageError, match=r"cannot run on an input of shape 1x3x32x32.*--image-size") as caught:
        start_network("torchvision:alexnet", load_data("digits"), None, 0)
    assert "\n" not in str(caught.value)


def test_a_limit_out_of_reach_leaves_the_folder_free(
    space_file: Path, tmp_path: Path, jobs_db: str, world: World, no_page: None, trained_before: None
) -> None:
    with pytest.raises(UsageError, match="cannot be reached"):
        search(options_for(space_file, 1e-6), tmp_path / "out", db=jobs_db)
    assert not (tmp_path / "out").exists()
    assert search(options_for(space_file, 0.9), tmp_path / "out", db=jobs_db)["verdict"] == "FEASIBLE"
    with pytest.raises(UsageError, match="one latency limit"):
        search(replace(options_for(space_file, 1.0), max_count={"macs": 1e6}), tmp_path / "other", db=jobs_db)


def test_a_network_that_cannot_be_measured_is_told_before_it_is_trained(
    space_file: Path, tmp_path: Path, jobs_db: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = ModuleProof(LatencyProof(BACKEND, None, None, "the worker died"), ())
    monkeypatch.setattr(netadapt_job, "prove_module", lambda *_: dead)
    with pytest.raises(CellError, match=r"could not be measured: the worker died"):
        search(options_for(space_file, 0.8), tmp_path / "out", db=jobs_db)
    assert not (tmp_path / "out").exists()


def test_a_failure_on_the_way_costs_no_finished_step(
    space_file: Path,
    tmp_path: Path,
    jobs_db: str,
    world: World,
    no_page: None,
    trained_before: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network with weights leaves no training behind: the steps alone say that something has come of it."""
    options = options_for(space_file, 0.6)
    whole = search(options, tmp_path / "whole", db=jobs_db)
    real = netadapt_job.fine_tuner
    left = [2]

    def failing(*arguments: Any) -> Callable[[nn.Module, int], float]:
        tune = real(*arguments)

        def tuned(network: nn.Module, steps: int) -> float:
            left[0] -= 1
            if left[0] < 0:
                raise CellError("no memory is left")
            return tune(network, steps)

        return tuned

    out, heard = tmp_path / "out", Hearing()
    with monkeypatch.context() as patch:
        patch.setattr(netadapt_job, "fine_tuner", failing)
        # Also where a search that goes on fails.
        for resume in (False, True):
            with pytest.raises(HwnasError, match="no memory is left"):
                search(options, out, db=jobs_db, resume=resume, listener=heard)
            left[0] = 0
    assert any(f"--resume --out {out}" in notice for notice in heard.notices)
    record = search(options, out, resume=True)
    assert record["search"]["trials"] == whole["search"]["trials"]


def test_on_another_host_or_by_another_predictor_it_is_shrunk_anew(
    space_file: Path,
    tmp_path: Path,
    jobs_db: str,
    world: World,
    no_page: None,
    trained_before: None,
) -> None:
    options = options_for(space_file, 0.8)
    search(options, tmp_path / "out", db=jobs_db)
    for cpu, digest in (("Another one", "made-up"), ("A processor", "fitted again")):
        world.cpu, world.digest = cpu, digest
        before = len(world.measured)
        record = search(options, tmp_path / "out", resume=True)
        # The whole network is measured again, and no limit of the other is taken over.
        assert world.measured[before] == pytest.approx(world.measured[0])
        assert any("measured and shrunk anew" in notice for notice in record["notices"])
        assert record["verdict"] == "FEASIBLE"
    # Back where it began, what was done there is gone on with.
    world.cpu, world.digest, heard = "A processor", "made-up", Hearing()
    record = search(options, tmp_path / "out", resume=True, listener=heard)
    assert not any("fine-tuning" in phase for phase in heard.phases)
    assert not any("anew" in notice for notice in record["notices"])
