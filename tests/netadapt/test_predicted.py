"""The limit that holds is that of a real predictor, on what OpenVINO makes of the network."""

from __future__ import annotations

import pytest
import torch
from made_up_kernels import training_set
from torch import nn

from hwnas.core.environment import Environment
from hwnas.netadapt.adapt import adapt
from hwnas.netadapt.predicted import PredictedLatency
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.netadapt.structure import Structure, pruned
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.spaces.layers import convolution
from hwnas.workloads.spaces.mbconv_block import InvertedResidual

IMAGES = torch.zeros(1, 3, 28, 28)


@pytest.fixture(scope="module")
def predictor() -> LatencyPredictor:
    return fit_predictor(training_set(4, 3), Environment("A processor", "x86_64", 2, 2**34), trees=3).predictor


def test_the_upper_end_of_the_prediction_is_below_the_limit(predictor: LatencyPredictor) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(convolution(3, 64, 3), convolution(64, 96, 3), convolution(96, 32, 1)).eval()
    latency = PredictedLatency(predictor, IMAGES)
    limit_s = 0.7 * latency(network)
    found = adapt(
        network,
        IMAGES,
        latency,
        limit_s,
        lambda network, steps: float(network[0][0].out_channels),
        NetAdaptSettings(reduction=0.3, granule=32),
    )
    prediction = predictor.predict(found.network, IMAGES)
    assert prediction.high_s == found.latency_s <= limit_s
    # The first layer was to keep its channels.
    assert {step.group for step in found.steps} == {"1.0"}


def test_estimates_are_the_predictions_of_networks_that_were_not_compiled(predictor: LatencyPredictor) -> None:
    torch.manual_seed(0)
    block = InvertedResidual(24, 24, 3, 1, 3, squeeze=False)
    network = nn.Sequential(convolution(3, 24, 3), block, convolution(24, 32, 1)).eval()
    structure = Structure.of(network, (IMAGES,))
    latency = PredictedLatency(predictor, IMAGES)
    told: list[str] = []
    screened = latency.screen(network, structure, told.append)
    assert len(told) == len(structure.groups) == 2
    assert screened({}) == latency(network)
    dropped = [channel for group in structure.groups for channel in group.channels[::3]]
    left = structure.without_channels(dropped)
    smaller = pruned(network, structure, dropped).eval()
    estimate_s = screened({group.name: len(group.channels) for group in left.groups})
    assert estimate_s == pytest.approx(latency(smaller), rel=0.02)
    assert estimate_s < 0.9 * latency(network)


def test_equal_shapes_are_compiled_once(predictor: LatencyPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    latency = PredictedLatency(predictor, IMAGES)
    first_s = latency(nn.Sequential(convolution(3, 8, 3)).eval())
    monkeypatch.setattr("hwnas.predicting.predictor.list_kernels", None)
    assert latency(nn.Sequential(convolution(3, 8, 3)).eval()) == first_s
