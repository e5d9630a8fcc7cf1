"""DARTS and ShuffleNet v1: what the papers say of them, and whether every runtime computes the same."""

from __future__ import annotations

import copy
import functools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.errors import UsageError
from hwnas.workloads.build import BuiltModel, build
from hwnas.workloads.models import parse_model
from hwnas.workloads.networks.darts import Darts, DartsCell
from hwnas.workloads.networks.shufflenet_v1 import CHANNELS, ChannelShuffle, ShuffleNetV1, ShuffleUnit
from hwnas.workloads.zoo import zoo_skeleton

NAMES = ["darts", "shufflenet_v1"]
SIZE = 64
ARMS = [
    "torch:cpu:fp32",
    "torch-nomkldnn:cpu:fp32",
    "torch-mkldnn:cpu:fp32",
    "torch-channels-last:cpu:fp32",
    "torch-slow-dilated:cpu:fp32",
    "openvino:cpu:fp32",
]

pytestmark = [
    pytest.mark.usefixtures("torch_as_it_was"),
    # torch.utils.mkldnn scripts its modules.
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]


def _built(name: str, seed: int = 0) -> BuiltModel:
    return build(parse_model(f"zoo:{name}", input_shape=(2, 3, SIZE, SIZE), seed=seed))


@functools.cache
def _exact(name: str) -> tuple[BuiltModel, np.ndarray]:
    """The network, and what it gives in double precision."""
    built = _built(name)
    with torch.no_grad():
        return built, copy.deepcopy(built.module).double()(built.inputs[0].double()).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arm", ARMS)
def test_every_runtime_computes_what_double_precision_does(name: str, arm: str) -> None:
    built, exact = _exact(name)
    # An arm may change the layout of its weights.
    session = backend(arm).compile(Program(built.inputs, copy.deepcopy(built.module)), threads=1)
    session.run()
    (found,) = session.outputs()
    assert found.shape == (2, 1000)
    assert np.abs(found - exact).max() <= 1e-4 * np.abs(exact).max()
    # The two images are told apart, by far more than that.
    assert np.abs(found[0] - found[1]).max() > 0.1 * np.abs(exact).max()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_variance_comes_through_and_depends_on_the_input(name: str) -> None:
    built, _ = _exact(name)
    assert not any(m.training for m in built.module.modules())
    (values,) = built.inputs
    output = built.module(values)
    assert output.shape == (2, 1000)
    assert torch.isfinite(output).all()
    assert 1e-2 < float(output.std()) < 1e2
    other = built.module(values.flip(-1) * 0.5 + 0.25)
    assert float((output - other).abs().max() / output.abs().max()) > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_the_seed(name: str) -> None:
    first, again, other = (_built(name, seed).module.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_reaches_the_output(name: str) -> None:
    built, _ = _exact(name)
    module = copy.deepcopy(built.module)
    module(built.inputs[0]).square().sum().backward()
    silent = [key for key, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def _outputs(module: nn.Module, kinds: tuple[type[nn.Module], ...], size: int = 224) -> list[tuple[int, ...]]:
    """Shapes that modules of these kinds write, in order of execution."""
    shapes: list[tuple[int, ...]] = []
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        module(torch.empty(1, 3, size, size, device="meta"))
    return shapes


def test_cells_of_darts_halve_at_a_third_and_at_two_thirds() -> None:
    module = zoo_skeleton(parse_model("zoo:darts"))
    cells = _outputs(module, (DartsCell,))
    assert cells == [(192, 28, 28)] * 4 + [(384, 14, 14)] * 5 + [(768, 7, 7)] * 5


def test_only_the_dilated_separable_convolutions_of_darts_are_dilated() -> None:
    module = zoo_skeleton(parse_model("zoo:darts"))
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    dilated = [c for c in convolutions if c.dilation != (1, 1)]
    # One in each of twelve normal cells; all depthwise.
    assert Counter(c.in_channels for c in dilated) == {48: 4, 96: 4, 192: 4}
    assert all(c.dilation == (2, 2) and c.groups == c.in_channels for c in dilated)
    # Two in each of five separable convolutions of those cells.
    depthwise = [c for c in convolutions if c.groups == c.in_channels and c.dilation == (1, 1)]
    assert len(depthwise) == 12 * 5 * 2
    assert all(c.bias is None for c in convolutions)


def test_darts_of_other_sizes() -> None:
    small = Darts(channels=8, cells=5, classes=3).eval()
    assert small(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(UsageError, match=r"zoo:darts cannot run .*1x3x75x75.*--input"):
        build(parse_model("zoo:darts", input_shape=(1, 3, 75, 75)))


def test_stages_of_shufflenet_are_those_of_the_table() -> None:
    module = zoo_skeleton(parse_model("zoo:shufflenet_v1"))
    units = _outputs(module, (ShuffleUnit,))
    assert units == [(240, 28, 28)] * 4 + [(480, 14, 14)] * 8 + [(960, 7, 7)] * 4
    pointwise = [m.groups for m in module.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert pointwise == [1] + [3] * 31


@pytest.mark.parametrize("groups", CHANNELS)
def test_shufflenet_of_other_groups(groups: int) -> None:
    assert ShuffleNetV1(groups, classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_a_shuffle_deals_channels_out() -> None:
    channels = torch.arange(6.0).view(1, 6, 1, 1)
    assert ChannelShuffle(3)(channels).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    torch.testing.assert_close(ChannelShuffle(3)(channels), nn.ChannelShuffle(3)(channels))
