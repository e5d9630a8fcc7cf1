"""Networks from the user's own functions."""

import sys

import pytest
import torch

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.build import build
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.models import parse_model

CODE = """
import torch
from torch import nn

class Net(nn.Sequential):
    pass

def net():
    return Net(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())

def trained():
    network = net()
    nn.init.constant_(network[1].running_mean, 0.25)
    return network

class FixedBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(12)
    def forward(self, x):
        return self.norm(x.reshape(3, 12))

class nested:
    @staticmethod
    def inner():
        return net()

def fails():
    raise ValueError("no such checkpoint\\nand more")

def nothing():
    return 42

def demanding(argument):
    return net()

number = 3
"""
SHAPE = (1, 3, 8, 8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with the user's module, and everything forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    # Files change within a second here, which byte code does not notice.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "my_networks.py").write_text(CODE)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("my_"):
            del sys.modules[name]


def test_a_factory_of_the_current_folder_is_built_and_calibrated() -> None:
    workload = parse_model("my_networks:net", input_shape=SHAPE)
    assert (workload.kind, workload.name) == ("factory", "my_networks:net")
    built = build(workload)
    assert type(built.module).__name__ == "Net"
    assert not built.module.training
    assert built.module[1].running_mean.any()
    again = build(workload)
    assert torch.equal(built.module[0].weight, again.module[0].weight)
    cost = workload_cost(workload)
    assert cost.macs == 36 * 8 * 27
    assert cost.parameters == 8 * 27 + 16


def test_a_trained_network_keeps_its_statistics() -> None:
    module = build(parse_model("my_networks:trained", input_shape=SHAPE)).module
    assert torch.equal(module[1].running_mean, torch.full((8,), 0.25))
    assert not module[1].bias.any()


def test_a_network_may_insist_on_its_batch() -> None:
    built = build(parse_model("my_networks:FixedBatch", input_shape=(3, 12)))
    assert built.module(*built.inputs).shape == (3, 12)


def test_a_dotted_attribute_is_found() -> None:
    assert build(parse_model("my_networks:nested.inner", input_shape=SHAPE)).module


def test_the_key_follows_the_definition(folder) -> None:
    before = parse_model("my_networks:net", input_shape=SHAPE)
    assert parse_model("my_networks:net", input_shape=SHAPE).key == before.key
    (folder / "my_networks.py").write_text(CODE.replace("nn.Conv2d(3, 8, 3,", "nn.Conv2d(3, 8, 1,"))
    del sys.modules["my_networks"]
    assert parse_model("my_networks:net", input_shape=SHAPE).key != before.key
    with pytest.raises(UsageError, match="another network than the one recorded"):
        build(before)


def test_the_key_follows_attributes_and_base_classes(folder) -> None:
    code = (
        CODE
        + """
import torch.nn.functional as F

class Base(nn.Module):
    def forward(self, x):
        return self.act(x)

class Acting(Base):
    def __init__(self, act, lock):
        super().__init__()
        self.act = act
        self.lock = lock

def acting():
    import threading
    return Acting(F.relu, threading.Lock())
"""
    )
    (folder / "my_acting.py").write_text(code)
    before = parse_model("my_acting:acting", input_shape=SHAPE)
    assert parse_model("my_acting:acting", input_shape=SHAPE).key == before.key
    for change in (("F.relu, ", "F.silu, "), ("return self.act(x)", "return self.act(x) + 1")):
        (folder / "my_acting.py").write_text(code.replace(*change))
        del sys.modules["my_acting"]
        assert parse_model("my_acting:acting", input_shape=SHAPE).key != before.key


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_absent:net", "no module 'my_absent'"),
        ("my_networks.deeper:net", "no module 'my_networks.deeper'"),
        ("my_networks:absent", "no 'absent'"),
        ("my_networks:nested.absent", "no 'nested.absent'"),
        ("my_networks:number", "is a int and cannot be called"),
        ("my_networks:nothing", "returned a int"),
        ("my_networks:fails", "ValueError: no such checkpoint"),
        ("my_networks:demanding", "TypeError"),
        ("my_broken:net", "SyntaxError"),
        ("my_importing:net", "No module named 'surely_absent'"),
    ],
)
def test_what_is_wrong_with_a_factory_is_said_in_one_line(folder, name: str, said: str) -> None:
    (folder / "my_broken.py").write_text("def net(:\n")
    (folder / "my_importing.py").write_text("import surely_absent\n")
    with pytest.raises(UsageError, match=said) as caught:
        parse_model(name, input_shape=SHAPE)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    with pytest.raises(UsageError, match=said):
        build(Workload("factory", name, SHAPE))


def test_the_input_must_be_given_and_fit() -> None:
    with pytest.raises(UsageError, match=r"my_networks:net is not known.*--input"):
        parse_model("my_networks:net")
    with pytest.raises(UsageError, match=r"my_networks:net cannot run on an input of shape 1x5x8x8.*--input"):
        build(parse_model("my_networks:net", input_shape=(1, 5, 8, 8)))
