"""The examples do what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.predicting.prediction import Prediction
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore
from hwnas.workloads.layer_chain import chain_workload

OPENVINO = "openvino:cpu:fp32"


def example(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def predictor() -> LatencyPredictor:
    """Learned from some chains of plain convolutions that really ran."""
    quick = Settings(passes=1, max_passes=1, budget_s=0.1, warmup_s=0.02, min_rounds=2)
    widths = [(8, 16, 16), (16, 32, 32), (24, 48, 48), (32, 64, 64), (40, 24, 16), (64, 64, 32), (16, 64, 8)]
    with LatencyStore.open("sqlite://") as store:
        here = probe_environment()
        chains = ["|".join(f"c{w}k3s{s},n,r" for w, s in zip(some, (1, 2, 2), strict=True)) for some in widths]
        workloads = [chain_workload(f"{layers}|p|l10", 1, 32) for layers in chains]
        with measuring_lock("tests"):
            measure_workloads(store, here, workloads, [OPENVINO], 1, Silent(), quick)
        return fit_predictor(read_training_set(store, here.fingerprint, OPENVINO, 1), here, trees=20).predictor


def test_pruning_reaches_the_latency_and_keeps_the_weights_that_matter(predictor: LatencyPredictor) -> None:
    found = example("prune_channels").run(predictor, 0.7, epochs=4)
    assert found.after_s <= 0.7 * found.before_s
    assert sum(found.network.widths) < 160
    first, _, last = found.accuracies
    assert last > 0.8
    assert last > first - 0.1


def test_a_pruned_network_computes_what_is_left_of_it() -> None:
    module = example("prune_channels")
    torch.manual_seed(0)
    network = module.Plain((8, 16, 16)).eval()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        # Channels without weight: nothing is lost with them.
        weight = network.convolutions[1].weight
        weight[:8] = 0.0
        network[4].running_mean.zero_()
        network[4].bias.zero_()
        smaller = module.without(network, 1, 8).eval()
        torch.testing.assert_close(smaller(x), network(x))
    assert smaller.widths == (8, 8, 16)


def test_networks_are_ranked_by_predicted_latency(predictor: LatencyPredictor) -> None:
    found = example("rank_networks").rank(predictor, ["resnet18", "no_such_network", "resnet34"])
    names = [name for name, _ in found]
    assert names[-1] == "no_such_network"
    assert isinstance(found[-1][1], str)
    latencies = [p.latency_s for _, p in found if isinstance(p, Prediction)]
    assert latencies == sorted(latencies)
    assert names[0] == "resnet18"
