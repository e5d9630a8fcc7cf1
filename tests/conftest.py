"""What tests of several rooms share: networks that were counted or measured here, once."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
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


_cost_once = functools.cache(workload_cost)


@pytest.fixture
def counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of the whole study count its large networks once in all tests together."""
    monkeypatch.setattr("hwnas.measuring.plan.workload_cost", _cost_once)
