"""Our counts against what torchvision publishes for its own networks; no weights, no time."""

import pytest
import torch
import torchvision

from hwnas.core.workload import Workload
from hwnas.workloads.counting import count
from hwnas.workloads.zoo import zoo_skeleton

#: Published in billions with three digits behind the point.
HALF_A_DIGIT = 0.0005e9

NAMES = torchvision.models.list_models(module=torchvision.models)


def published(name: str) -> set[tuple[int, int, float]]:
    """Image size, parameters and MACs of every set of weights."""
    return {
        (weights.transforms().crop_size[0], weights.meta["num_params"], weights.meta["_ops"] * 1e9)
        for weights in torchvision.models.get_model_weights(name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_counts_equal_the_published_ones(name: str) -> None:
    for size, parameters, macs in published(name):
        shape = (1, 3, size, size)
        skeleton = zoo_skeleton(Workload("torchvision", name, shape))
        counts = count(skeleton, (torch.empty(shape, device="meta"),))
        assert counts.parameters == parameters
        # Half a per cent, or where that is less than the published digits tell, those.
        assert counts.macs == pytest.approx(macs, rel=0.005, abs=HALF_A_DIGIT)
        assert not counts.uncounted


def test_all_of_the_zoo_is_there() -> None:
    assert len(NAMES) >= 80
    assert {"resnet18", "mobilenet_v2", "inception_v3", "googlenet", "vit_h_14", "regnet_y_128gf"} <= set(NAMES)


def test_macs_grow_with_the_batch_and_parameters_do_not() -> None:
    one, four = (
        count(zoo_skeleton(Workload("torchvision", "resnet18", shape)), (torch.empty(shape, device="meta"),))
        for shape in ((1, 3, 64, 64), (4, 3, 64, 64))
    )
    assert four.macs == 4 * one.macs
    assert four.parameters == one.parameters
