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
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.spaces.layers import convolution

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


def test_equal_shapes_are_compiled_once(predictor: LatencyPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    latency = PredictedLatency(predictor, IMAGES)
    first_s = latency(nn.Sequential(convolution(3, 8, 3)).eval())
    monkeypatch.setattr(predictor, "predict", None)
    assert latency(nn.Sequential(convolution(3, 8, 3)).eval()) == first_s
