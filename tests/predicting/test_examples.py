"""The examples do what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

from hwnas.predicting.prediction import Prediction
from hwnas.predicting.predictor import LatencyPredictor


def example(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_pruning_reaches_the_latency_and_keeps_what_matters(chain_predictor: LatencyPredictor) -> None:
    found = example("prune_channels").run(chain_predictor, 0.7, epochs=10)
    assert found.after_s <= 0.7 * found.before_s
    assert sum(found.network.widths) < 160
    first, _, last = found.accuracies
    assert last > 0.7
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


def test_networks_are_ranked_by_predicted_latency(chain_predictor: LatencyPredictor) -> None:
    found = example("rank_networks").rank(chain_predictor, ["resnet18", "no_such_network", "resnet34"])
    names = [name for name, _ in found]
    assert names[-1] == "no_such_network"
    assert isinstance(found[-1][1], str)
    latencies = [p.latency_s for _, p in found if isinstance(p, Prediction)]
    assert latencies == sorted(latencies)
    assert names[0] == "resnet18"
