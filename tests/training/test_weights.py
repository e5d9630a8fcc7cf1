"""Weights are written and read as they are, by any program that knows safetensors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from made_up_images import made_up_data, small_network
from safetensors.torch import load_file, save_file
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.training.weights import load_weights, save_weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where weights go, in a folder that is not there yet."""
    return tmp_path / "some" / "weights.safetensors"


def _network(seed: int = 0) -> nn.Sequential:
    return small_network(made_up_data(30), seed)


def _equal(one: nn.Module, other: nn.Module) -> bool:
    own = other.state_dict()
    return all(torch.equal(tensor, own[name]) for name, tensor in one.state_dict().items())


def test_weights_come_back_into_any_memory_layout(path: Path) -> None:
    network, other = _network(), _network(1)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(network, path, {"accuracy": 0.97, "model": "space:patterns:…"})
    assert not _equal(network, other)
    assert load_weights(other, path) == {"accuracy": 0.97, "model": "space:patterns:…"}
    assert _equal(network, other)
    assert load_file(path).keys() == network.state_dict().keys()


def test_another_programs_file_is_read(path: Path) -> None:
    network, other = _network(), _network(1)
    path.parent.mkdir()
    save_file(network.state_dict(), path)
    assert load_weights(other, path) == {}
    assert _equal(network, other)


def test_weights_that_layers_share(path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    save_weights(network, path)
    other = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    load_weights(other, path)
    assert _equal(network, other)


def test_what_does_not_fit_is_named(path: Path) -> None:
    save_weights(_network(), path)
    for network, words in [
        (nn.Sequential(nn.Conv2d(1, 8, 3)), "lacks the tensor 0.bias"),
        (_network()[:2], "has a tensor 3.weight"),
        (small_network(made_up_data(30, classes=2)), r"8\.bias in .* is 3 torch.float32, not 2 torch.float32"),
    ]:
        with pytest.raises(UsageError, match=words):
            load_weights(network, path)


def test_files_that_cannot_be_used(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_weights(_network(), path)
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load_weights(_network(), tmp_path)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"no weights")
    with pytest.raises(UsageError, match=re.escape(f"{blocked} is not a safetensors file")):
        load_weights(_network(), blocked)
    with pytest.raises(UsageError, match="cannot be written"):
        save_weights(_network(), blocked / "weights.safetensors")
