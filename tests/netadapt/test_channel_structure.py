"""Which channels belong together, and that a pruned network computes what is left of it."""

from __future__ import annotations

import pytest
import torch
from small_networks import IMAGES, mobile_network
from torch import nn

from hwnas.netadapt.proof import proved
from hwnas.netadapt.resizing import shapes_of
from hwnas.netadapt.structure import Structure, pruned, silenced
from hwnas.workloads.build import new_module
from hwnas.workloads.chain_layers import Concatenated
from hwnas.workloads.models import parse_model
from hwnas.workloads.networks.shufflenet_v1 import ChannelShuffle

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def sizes(network: nn.Module, inputs: torch.Tensor = X) -> dict[str, int]:
    return {g.name: len(g.channels) for g in Structure.of(network.eval(), (inputs,)).groups}


def layers(*modules: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*modules).eval()


def test_a_chain_has_a_group_for_every_convolution_but_the_last() -> None:
    network = layers(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 5, 1))
    assert sizes(network) == {"0": 8, "3": 6}


def test_a_depthwise_convolution_follows_what_it_reads() -> None:
    network = layers(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 16, 3, groups=8), nn.Conv2d(16, 2, 1))
    assert sizes(network) == {"0": 8}


def test_groups_keep_equal_sizes() -> None:
    network = layers(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 12, 3, groups=4), nn.Conv2d(12, 2, 1))
    # One channel of each of four groups.
    assert sizes(network) == {"0": 2, "1": 3}
    structure = Structure.of(network, (X,))
    smaller = pruned(network, structure, structure.group("1").channels[:1])
    assert (smaller[1].groups, smaller[1].in_channels, smaller[1].out_channels) == (4, 8, 8)
    assert smaller(X).shape == network(X).shape


def test_what_is_added_goes_together_and_what_is_concatenated_does_not() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(4, 6, 1)
            self.last = nn.Conv2d(14, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.cat([self.a(x) + self.b(x), self.c(x)], 1))

    assert sizes(Both()) == {"a": 8, "c": 6}


def test_what_is_added_to_the_input_stays() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.back = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.back(self.wide(x))

    assert sizes(Residual()) == {"wide": 8}


def test_a_flattened_channel_is_many_columns() -> None:
    network = layers(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 10))
    structure = Structure.of(network, (X,))
    smaller = pruned(network, structure, structure.group("0").channels[2:4])
    assert smaller[4].in_features == 36
    assert torch.equal(smaller[4].weight[:, 18:27], network[4].weight[:, 36:45])


def test_operators_that_are_not_known_are_left_alone() -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(1).values

    network = layers(nn.Conv2d(4, 8, 1), Sorted(), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 2, 1))
    assert sizes(network) == {"2": 6}


def test_a_shared_layer_is_left_alone() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1)
            self.one, self.other = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
            self.other.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.other(self.one(self.first(x))))

    assert sizes(Shared()) == {}


def test_a_layer_that_runs_twice_reads_and_writes_the_same_channels() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again, self.last = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.again(self.again(self.first(x))))

    network = Twice().eval()
    assert sizes(network) == {"first": 8}
    assert proved(network, (X,), Structure.of(network, (X,)))[1] == ()


def test_code_that_counts_channels_itself_fails_the_proof() -> None:
    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(x.shape[0], 2, 4, 8, 8).transpose(1, 2).reshape(x.shape)

    network = layers(nn.Conv2d(4, 8, 1), Counts(), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 2, 1))
    structure = Structure.of(network, (X,))
    assert {g.name for g in structure.groups} == {"0", "2"}
    left, left_out = proved(network, (X,), structure)
    assert left_out == ("0",)
    assert [g.name for g in left.groups] == ["2"]


def test_a_shuffle_is_followed() -> None:
    network = layers(
        nn.Conv2d(4, 12, 1), ChannelShuffle(3), Concatenated(nn.Conv2d(12, 6, 1)), nn.Conv2d(18, 2, 1)
    )
    structure = Structure.of(network, (X,))
    # One channel of each of three groups.
    assert {g.name: len(g.channels) for g in structure.groups} == {"0": 4, "2.step": 6}
    assert proved(network, (X,), structure)[1] == ()


def test_kept_weights_are_the_old_ones() -> None:
    network = mobile_network()
    structure = Structure.of(network, (IMAGES,))
    group = structure.group("1.layers.0.0")
    smaller = pruned(network, structure, group.channels[1:4])
    kept = [0, *range(4, 48)]
    before, after = network.state_dict(), smaller.state_dict()
    for name in ("1.layers.0.0.weight", "1.layers.0.1.running_var", "1.layers.1.0.weight"):
        assert torch.equal(after[name], before[name][kept])
    assert torch.equal(after["1.layers.2.0.weight"], before["1.layers.2.0.weight"][:, kept])
    assert smaller[1].layers[1][0].groups == 45
    # The network itself is as it was.
    assert shapes_of(network) == shapes_of(mobile_network())


def test_pruning_twice_is_pruning_at_once() -> None:
    network = mobile_network()
    structure = Structure.of(network, (IMAGES,))
    first, second = structure.groups[0].channels[:3], structure.groups[1].channels[2:9]
    once = pruned(network, structure, [*first, *second])
    twice = pruned(pruned(network, structure, first), structure.without_channels(first), second)
    for name, tensor in once.state_dict().items():
        assert torch.equal(tensor, twice.state_dict()[name])


def test_the_least_weight_is_the_least_important() -> None:
    network = mobile_network()
    structure = Structure.of(network, (IMAGES,))
    group = structure.group("1.layers.0.0")
    with torch.no_grad():
        network[1].layers[0][0].weight[7] *= 1e-3
    assert structure.importance(network, group).argmin() == 7


def test_squeeze_and_excitation_can_be_pruned_inside_and_out() -> None:
    found = sizes(mobile_network(), IMAGES)
    # The residual joins the end of the second block and that of the third.
    assert found["1.layers.2.0"] == 24
    assert found["2.layers.0.0"] == 72
    assert found["2.layers.2.scale.1"] == 6
    assert "2.layers.3.0" not in found


@pytest.mark.parametrize(
    ("model", "groups"),
    [
        ("torchvision:mobilenet_v3_small", 27),
        ("torchvision:resnet18", 12),
        ("torchvision:shufflenet_v2_x0_5", 20),
        ("zoo:squeezenet1_1", 25),
    ],
)
def test_networks_of_libraries_can_be_pruned(model: str, groups: int) -> None:
    network = new_module(parse_model(model, input_shape=(1, 3, 64, 64)))
    x = torch.randn(1, 3, 64, 64)
    structure, left_out = proved(network, (x,), Structure.of(network, (x,)))
    assert left_out == ()
    assert len(structure.groups) == groups


def test_the_proof_compares_different_networks() -> None:
    """It would prove nothing if silencing changed nothing."""
    network = mobile_network()
    structure = Structure.of(network, (IMAGES,))
    x = torch.rand(4, 1, 8, 8)
    dropped = structure.groups[2].channels[:20]
    with torch.no_grad():
        whole, silent = network(x), silenced(network, structure, dropped)(x)
        assert (whole - silent).abs().max() > 1e-3 * whole.abs().max()
        torch.testing.assert_close(pruned(network, structure, dropped)(x), silent)
