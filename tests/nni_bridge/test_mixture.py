"""Supernets made of the parts of a space, against the networks of its architectures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.nni_bridge.gate import Gate
from hwnas.nni_bridge.mixture import MixtureChain, PartMixture
from hwnas.workloads.spaces.choice import Choice
from hwnas.workloads.spaces.mbconv_space import MBConvSpace, MBConvStage
from hwnas.workloads.spaces.nasbench201_space import NasBench201Space
from hwnas.workloads.spaces.pattern_space import PatternSpace, PatternStage
from hwnas.workloads.spaces.space import Part, PartModule, Space

PATTERNS = PatternSpace(
    "patterns",
    "",
    (3, 8, 8),
    4,
    stages=(
        PatternStage(("bottleneck", "depthwise_bottleneck", "grouped"), (8, 16), (0, 1, 2), (3, 1)),
        PatternStage(("standard", "bottleneck"), (8,), (0, 1), (3,)),
    ),
    head=16,
)
MBCONV = MBConvSpace(
    "mbconv",
    "",
    (3, 8, 8),
    4,
    stages=(
        MBConvStage(1, (8, 16), (1, 2), (3,), (1, 2), (False, True)),
        MBConvStage(2, (8, 24), (1,), (3, 5), (2,), (False,)),
    ),
    stem=8,
)


def indices(space: Space, architecture) -> dict[str, int]:
    return {choice.name: choice.options.index(architecture[choice.name]) for choice in space.choices}


@pytest.mark.parametrize("space", [PATTERNS, MBCONV], ids=lambda s: s.name)
def test_at_one_hot_a_supernet_is_the_network(space: Space) -> None:
    chain = MixtureChain(space).eval()
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for seed in range(3):
        architecture = space.sample(random.Random(seed))
        chosen = indices(space, architecture)
        network = space.network(architecture).eval()
        x = y = images
        one_hot = {
            choice.name: nn.functional.one_hot(torch.tensor(chosen[choice.name]), len(choice.options)).float()
            for choice in space.choices
        }
        for part, mixture in zip(space.parts(), chain.parts, strict=True):
            number = mixture.number(chosen)
            if part.name in network.parts:
                network.parts[part.name].load_state_dict(mixture.modules_[number].state_dict())
            x, y = mixture.run(number, x), mixture.mixed(y, one_hot)
        expected = network(images)
        torch.testing.assert_close(x, expected)
        torch.testing.assert_close(y, expected)


def test_modules_that_are_alike_are_one() -> None:
    # Depth 1 and 2 of a block below the depth, and all empty ones.
    sizes = {
        part.name: len(m.modules_)
        for part, m in zip(PATTERNS.parts(), MixtureChain(PATTERNS).parts, strict=True)
    }
    assert sizes["stage1_block1"] == 3 * 2 * 2 + 1
    assert sizes["stage1_block2"] == 3 * 2 * 2 + 1
    assert sizes["stage2_block1"] == 2 + 1


class Scaled(nn.Module):
    """Prints without its factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


@dataclass(frozen=True)
class Scales(Space):
    """Of somebody else: its options differ in an attribute alone."""

    kind: ClassVar[str] = "scales"

    def _choices(self) -> Iterator[Choice]:
        yield Choice("factor", (1, 2))

    def _parts(self) -> Iterator[Part]:
        yield Part("scaled", ("factor",))

    def _part_module(self, part: Part, options) -> PartModule:
        return PartModule(Scaled(options["factor"]), (self.input_shape,))

    def picture(self) -> str:
        return ""


def test_modules_that_print_alike_need_not_be_alike() -> None:
    space = Scales("scales", "", (1, 2, 2), 2)
    mixture = PartMixture(space, space.parts()[0], space.input_shape)
    images = torch.ones(1, 1, 2, 2)
    assert [float(mixture.run(mixture.number({"factor": place}), images).mean()) for place in (0, 1)] == [1, 2]


def test_weights_are_the_probabilities_of_the_options_behind_a_module() -> None:
    part = next(p for p in PATTERNS.parts() if p.name == "stage1_block2")
    mixture = PartMixture(PATTERNS, part, (64, 8, 8))
    p = {c.name: torch.full((len(c.options),), 1 / len(c.options)) for c in PATTERNS.choices}
    weights = mixture.weights(p)
    assert float(weights.sum()) == pytest.approx(1)
    # The second block runs at depth 2 alone.
    empty = mixture.number(indices(PATTERNS, PATTERNS.parse("grouped,8,0,3+standard,8,0,3")))
    assert float(weights[empty]) == pytest.approx(2 / 3)


def test_spaces_of_cells_are_refused() -> None:
    cells = NasBench201Space("cells", "", (3, 8, 8), 2, 4, 1, ("none", "skip_connect"))
    with pytest.raises(UsageError, match=r"parts of the nasbench201 space cells do not simply follow"):
        MixtureChain(cells)


def test_a_gate_gives_the_gradients_of_a_sum_over_all_options() -> None:
    torch.manual_seed(0)
    part = next(p for p in PATTERNS.parts() if p.name == "stage2_block1")
    mixture = PartMixture(PATTERNS, part, (32, 4, 4)).eval()
    x = torch.randn(2, 32, 4, 4, requires_grad=True)
    towards = torch.randn(2, *mixture.shape)
    chosen = {"stage2.pattern": 1, "stage2.width": 0, "stage2.depth": 1, "stage2.kernel": 0}
    numbers = mixture.alternatives(chosen, "stage2.pattern")
    assert len(set(numbers)) == 2

    gains = [float((mixture.run(number, x) * towards).sum().detach()) for number in numbers]
    plain = mixture.run(mixture.number(chosen), x)
    (expected_x,) = torch.autograd.grad((plain * towards).sum(), x)

    for learns in (True, False):
        alpha = torch.zeros(2, requires_grad=True)
        probabilities = alpha.softmax(-1)
        gate = Gate(mixture.run, mixture.number(chosen), tuple(numbers), lambda learns=learns: learns)
        y = gate(probabilities, x, mixture.run(mixture.number(chosen), x))
        torch.testing.assert_close(y, plain)
        found_x, found = torch.autograd.grad((y * towards).sum(), (x, alpha), allow_unused=True)
        torch.testing.assert_close(found_x, expected_x)
        if learns:
            mean = sum(gains) / 2
            torch.testing.assert_close(found, torch.tensor([0.5 * (g - mean) for g in gains]))
        else:
            assert found is None or not found.any()
