"""A predictor that learned from what really ran here."""

from __future__ import annotations

import pytest

from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore
from hwnas.workloads.layer_chain import chain_workload

OPENVINO = "openvino:cpu:fp32"


@pytest.fixture(scope="session")
def chain_predictor() -> LatencyPredictor:
    """Of OpenVINO, from some chains of plain convolutions."""
    quick = Settings(passes=1, max_passes=1, budget_s=0.1, warmup_s=0.02, min_rounds=2)
    widths = [(8, 16, 16), (16, 32, 32), (24, 48, 48), (32, 64, 64), (40, 24, 16), (64, 64, 32), (16, 64, 8)]
    widths += [(48, 16, 64), (32, 8, 24)]
    with LatencyStore.open("sqlite://") as store:
        here = probe_environment()
        chains = ["|".join(f"c{w}k3s{s},n,r" for w, s in zip(some, (1, 2, 2), strict=True)) for some in widths]
        workloads = [chain_workload(f"{layers}|p|l10", 1, 32) for layers in chains]
        with measuring_lock("tests"):
            measure_workloads(store, here, workloads, [OPENVINO], 1, Silent(), quick)
        return fit_predictor(read_training_set(store, here.fingerprint, OPENVINO, 1), here, trees=20).predictor
