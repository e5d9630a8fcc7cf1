"""A network's structure is all but its weights and its mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hwnas.workloads.structure import structure_digest, structure_text


@dataclass
class Options:
    """What a network may keep of its options."""

    depth: int


class Net(nn.Module):
    """Attributes of several kinds, some of which decide what runs."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3)
        self.second = nn.BatchNorm2d(width)
        self.kernels = [3, 5]
        self.activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu
        self.options = Options(2)
        self.config: object = None
        self.register_buffer("chosen", torch.tensor(1))
        self.register_buffer("mask", torch.ones(width), persistent=False)


def test_neither_weights_nor_mode_nor_gradients_change_it() -> None:
    net = Net()
    before = structure_digest(net)
    with torch.no_grad():
        net.first.weight.mul_(2.0)
    net.first.weight.grad = torch.ones_like(net.first.weight)
    net.second.running_mean = torch.ones(8)
    assert structure_digest(net.eval()) == structure_digest(net.train()) == before
    assert structure_digest(Net()) == before


def _scaled(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: 2 * function(x)


def _steep(slope: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def activation(x: torch.Tensor, *, by: float = slope) -> torch.Tensor:
        return by * x

    return activation


def _endless() -> Callable[[torch.Tensor], torch.Tensor]:
    def one(x: torch.Tensor) -> torch.Tensor:
        return other(x)

    def other(x: torch.Tensor) -> torch.Tensor:
        return one(x)

    return one


def _set(name: str, value: object) -> Callable[[Net], object]:
    return lambda net: setattr(net, name, value)


@pytest.mark.parametrize(
    "change",
    [
        _set("kernels", [3, 7]),
        _set("activation", torch.sigmoid),
        _set("options", Options(3)),
        _set("mask", torch.ones(4)),
        _set("second", nn.Identity()),
        _set("first", nn.Conv2d(3, 8, 3, bias=False)),
        _set("first", nn.Conv2d(3, 8, 3, stride=2)),
        lambda net: net.half(),
        _set("activation", lambda x: x),
        _set("config", SimpleNamespace(depth=2)),
        _set("config", partial(torch.pow, exponent=2)),
        _set("config", {"a": {"b": {"c": {"d": [1]}}}}),
        lambda net: net.chosen.fill_(2),
    ],
)
def test_what_shapes_kernels_changes_it(change: Callable[[Net], object]) -> None:
    net = Net()
    before = structure_digest(net)
    change(net)
    assert structure_digest(net) != before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SimpleNamespace(depth=2), SimpleNamespace(depth=3)),
        (partial(torch.pow, exponent=2), partial(torch.pow, exponent=3)),
        (lambda x: x + 1, lambda x: x + 2),
        (range(3), range(4)),
        ({"a": {"b": {"c": {"d": [1]}}}}, {"a": {"b": {"c": {"d": [2]}}}}),
        (_scaled(torch.relu), _scaled(torch.sigmoid)),
        (_scaled(lambda x: x + 1), _scaled(lambda x: x + 2)),
        (_steep(0.1), _steep(0.2)),
    ],
)
def test_attributes_of_one_type_differ_by_what_they_say(one: object, other: object) -> None:
    nets = Net(), Net(), Net()
    nets[0].config, nets[1].config, nets[2].config = one, other, one
    first, second, third = map(structure_digest, nets)
    assert first != second
    assert first == third


def test_what_a_class_is_made_from_belongs_to_it() -> None:
    def made(code: str) -> nn.Module:
        names = {"nn": nn, "__name__": "prompt"}
        step = f"def step(self, x): return {code}"
        forward = "def forward(self, x): return self.step(x)"
        exec(f"class Base(nn.Module):\n    {step}\n    {forward}\nclass Typed(Base): pass", names)
        module: nn.Module = names["Typed"]()  # type: ignore[operator]
        return module

    assert structure_digest(made("x + 1")) != structure_digest(made("x + 2"))
    assert structure_digest(made("x + 1")) == structure_digest(made("x + 1"))


def test_what_a_class_says_of_itself_belongs_to_it() -> None:
    def made(line: str) -> nn.Module:
        names = {"nn": nn, "__name__": "prompt"}
        exec(f"class Typed(nn.Module):\n    {line}", names)
        module: nn.Module = names["Typed"]()  # type: ignore[operator]
        return module

    step = "@staticmethod\n    def step(x): return x + 3"
    size = "@property\n    def size(self): return 3"
    for line in ("size = 3", step, size):
        assert structure_digest(made(line)) == structure_digest(made(line))
        assert structure_digest(made(line)) != structure_digest(made(line.replace("3", "5")))


def test_a_training_changes_nothing() -> None:
    net = Net()
    before = structure_digest(net)
    net.train()
    net.second(net.first(torch.zeros(2, 3, 8, 8)))
    assert int(net.second.num_batches_tracked) == 1
    assert structure_digest(net) == before


def test_a_layer_that_runs_twice_is_not_one_that_runs_once() -> None:
    layer = nn.Conv2d(3, 3, 3)
    assert structure_digest(nn.Sequential(layer, layer)) != structure_digest(nn.Sequential(layer))
    other = nn.Sequential(layer, nn.Conv2d(3, 3, 3))
    assert structure_digest(nn.Sequential(layer, layer)) == structure_digest(other)


def test_classes_of_one_name_differ_by_their_code() -> None:
    def made(code: str) -> nn.Module:
        names = {"nn": nn, "__name__": "prompt"}
        exec(f"class Typed(nn.Module):\n    def forward(self, x): return {code}", names)
        module: nn.Module = names["Typed"]()  # type: ignore[operator]
        return module

    assert structure_digest(made("x + 1")) != structure_digest(made("x + 2"))
    assert structure_digest(made("x + 1")) == structure_digest(made("x + 1"))


def test_functions_are_told_by_what_they_close_over_and_not_by_where_they_are() -> None:
    pair = _steep(0.1), torch.relu

    def several(x: object, functions: object = pair) -> object:
        return functions

    for made in (lambda: _scaled(_steep(0.5)), _endless, lambda: several):
        nets = Net(), Net()
        nets[0].config, nets[1].config = made(), made()
        assert structure_digest(nets[0]) == structure_digest(nets[1])
        assert "0x" not in structure_text(nets[0], anonymous=True)
