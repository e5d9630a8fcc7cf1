"""What a prediction tells programs."""

from __future__ import annotations

import pytest

from hwnas.predicting.prediction import Prediction
from hwnas.workloads.models import parse_model


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:resnet18",
        "timm:resnet18",
        "zoo:darts",
        "space:patterns:standard,16,1,3+grouped,32,2,5+depthwise_separable,64,1,3",
    ],
)
def test_the_model_is_named_so_that_it_can_be_asked_for_again(name: str) -> None:
    workload = parse_model(name)
    found = Prediction(workload, "openvino:cpu:fp32", 1, "0123456789ab", 1e-3, 9e-4, 1.1e-3, in_range=True)
    told = found.record()["model"]
    assert told == name
    assert parse_model(told).key == workload.key
