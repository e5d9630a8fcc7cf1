"""What tests of several rooms share: what was counted or measured here, once, and what puts things back."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hwnas.core.errors import MissingDependency
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.nni_bridge.availability import check_nni
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.store import LatencyStore
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.layer_chain import chain_workload

_WIDTHS = [(8, 16, 16), (16, 32, 32), (24, 48, 48), (32, 64, 64), (40, 24, 16), (64, 64, 32), (16, 64, 8)]
_WIDTHS += [(48, 16, 64), (32, 8, 24)]


@pytest.fixture(scope="session")
def measured_chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with nine chains of plain convolutions on OpenVINO: as few as a predictor learns from."""
    quick = Settings(passes=1, max_passes=1, budget_s=0.1, warmup_s=0.02, min_rounds=2)
    chains = ["|".join(f"c{w}k3s{s},n,r" for w, s in zip(some, (1, 2, 2), strict=True)) for some in _WIDTHS]
    workloads = [chain_workload(f"{layers}|p|l10", 1, 32) for layers in chains]
    path = tmp_path_factory.mktemp("measured") / "latency.sqlite"
    with LatencyStore.open(path) as store, measuring_lock("tests"):
        measure_workloads(store, probe_environment(), workloads, ["openvino:cpu:fp32"], 1, Silent(), quick)
    return path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which nothing is, to be copied: making one takes as long as many a test."""
    path = tmp_path_factory.mktemp("empty") / "latency.sqlite"
    LatencyStore.open(path).close()
    return path


_cost_once = functools.cache(workload_cost)


@pytest.fixture
def counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of the whole study count its large networks once in all tests together."""
    monkeypatch.setattr("hwnas.measuring.plan.workload_cost", _cost_once)


@pytest.fixture
def torch_as_it_was() -> Iterator[None]:
    """Takes back what PyTorch's arms change in their process, which all tests share."""
    enabled, threads = torch.backends.mkldnn.enabled, torch.get_num_threads()
    yield
    torch.backends.mkldnn.set_flags(enabled)
    torch.set_num_threads(threads)


@pytest.fixture
def needs_nni() -> None:
    """Skips where NNI is not installed, or would hang."""
    try:
        check_nni()
    except MissingDependency as error:
        pytest.skip(str(error))
