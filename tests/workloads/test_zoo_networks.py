"""Zoo networks as they are built for measuring."""

import pytest
import torch
from torch import nn

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.build import build
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.initialisation import calibration, untrained_norms, wake_up
from hwnas.workloads.randomness import generator

#: One of each kind that needs care: plain, with shortcuts, squeeze-and-excitation, normalisation
#: behind a pooling, a zero head, a layer scale, auxiliary outputs.
NETWORKS = [
    ("torchvision", "squeezenet1_1", 64),
    ("torchvision", "resnet18", 64),
    ("torchvision", "mobilenet_v3_small", 64),
    ("torchvision", "vit_b_32", 64),
    ("torchvision", "convnext_tiny", 64),
    ("torchvision", "googlenet", 64),
    ("torchvision", "inception_v3", 96),
    ("timm", "mobilenetv4_conv_small", 64),
    ("timm", "resnet18", 64),
]


@pytest.mark.parametrize(("kind", "name", "size"), NETWORKS)
@torch.no_grad()
def test_the_output_is_one_tensor_that_depends_on_the_input(kind: str, name: str, size: int) -> None:
    built = build(Workload(kind, name, (1, 3, size, size)))
    assert not any(m.training for m in built.module.modules())
    (values,) = built.inputs
    output = built.module(values)
    assert isinstance(output, torch.Tensor)
    other = built.module(values.flip(-1) * 0.5 + 0.25)
    assert torch.isfinite(output).all()
    assert float((output - other).abs().max() / output.abs().max()) > 0.02
    # Neither vanished nor exploded.
    assert 1e-3 < float(output.std()) < 1e3
    exact = built.module.double()(values.double())
    assert float((output.double() - exact).abs().max() / exact.abs().max()) < 1e-4


def test_building_leaves_the_global_generator_alone_and_repeats() -> None:
    workload = Workload("torchvision", "mobilenet_v3_small", (1, 3, 64, 64), seed=3)
    before = torch.get_rng_state()
    first, second = build(workload), build(workload)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in first.module.state_dict().items():
        assert torch.equal(tensor, second.module.state_dict()[name]), name


@pytest.mark.parametrize("kind", ["torchvision", "timm"])
def test_a_wrong_shape_names_the_model_and_the_option(kind: str) -> None:
    workload = Workload(kind, "resnet18", (1, 1, 64, 64))
    for action in (build, workload_cost):
        with pytest.raises(UsageError, match=f"{kind}:resnet18 cannot run on an input of shape .*--input"):
            action(workload)


def test_a_size_the_network_is_not_made_for_is_explained() -> None:
    with pytest.raises(UsageError, match=r"vit_b_32 cannot be built for the input 1x3x65x65.*--input"):
        build(Workload("torchvision", "vit_b_32", (1, 3, 65, 65)))


@pytest.mark.parametrize(("kind", "close"), [("torchvision", "mobilenet_v2"), ("timm", "mobilenetv2_100")])
def test_an_unknown_network_lists_close_names(kind: str, close: str) -> None:
    with pytest.raises(UnknownName, match=close):
        build(Workload(kind, close.replace("e", "", 1), (1, 3, 64, 64)))


def test_a_network_that_does_not_classify_is_refused() -> None:
    with pytest.raises(UsageError, match="not a classification network"):
        build(Workload("torchvision", "deeplabv3_resnet50", (1, 3, 64, 64)))


def test_only_norms_that_never_saw_data_are_calibrated() -> None:
    trained, fresh = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    nn.init.constant_(trained.running_mean, 0.5)
    module = nn.Sequential(trained, nn.Dropout(0.5), fresh).eval()
    norms = untrained_norms(module)
    assert norms == [fresh]
    values = torch.randn(4, 3, 16, 16, generator=generator(0)) * 5 + 2
    with calibration(norms), torch.no_grad():
        assert not module[1].training
        module(values)
    assert not fresh.training
    assert fresh.momentum == 0.1
    assert torch.equal(trained.running_mean, torch.full((3,), 0.5))
    torch.testing.assert_close(fresh.running_mean, trained(values).mean((0, 2, 3)).detach())


def test_waking_up_touches_only_what_is_silent() -> None:
    head = nn.Linear(4, 4)
    nn.init.zeros_(head.weight)
    body = nn.Linear(4, 4)
    kept = body.weight.clone()
    module = nn.Sequential(body, head)
    module.scale = nn.Parameter(torch.full((4, 1, 1), 1e-6))
    module.temperature = nn.Parameter(torch.tensor([4.6]))
    wake_up(module, generator(0))
    assert head.weight.std() > 0.1
    assert torch.equal(body.weight, kept)
    assert torch.equal(module.scale, torch.ones(4, 1, 1))
    assert float(module.temperature.detach()) == pytest.approx(4.6)
