"""What does not fit into memory is told before it is tried."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from made_up_images import made_up_data, small_network
from torch import nn

from hwnas.core.errors import HwnasError, OutOfMemory, UsageError
from hwnas.core.foreign_code import is_out_of_memory
from hwnas.training.memory import check_training_memory, kept_bytes
from hwnas.training.own_function import OwnEvaluator
from hwnas.training.rescaled_images import rescaled
from hwnas.training.settings import TrainingSettings
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.memory import weights_bytes
from hwnas.workloads.models import parse_model

SMALL = "space:patterns@1x8x8-3:standard,16,1,3+grouped,32,1,3+depthwise_separable,64,1,3"
AVAILABLE = "hwnas.training.memory.available_memory_bytes"


def test_what_is_kept_is_what_a_real_run_keeps() -> None:
    network = small_network(made_up_data(), dropout=0.3).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.zeros(16, 1, 8, 8))
    assert kept_bytes(network, (16, 1, 8, 8)) == sum(storage.nbytes() for storage in kept.values())
    # The images, and what normalisations and activations give: 64 and four times 512 numbers an image.
    assert kept_bytes(network, (16, 1, 8, 8)) > 4 * 16 * (64 + 4 * 512)  # type: ignore[operator]


def test_counting_leaves_the_network_as_it_is() -> None:
    network = small_network(made_up_data(), dropout=0.3).eval()
    network[1].train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert kept_bytes(network, (4, 1, 8, 8))
    assert [module.training for module in network] == [place == 1 for place in range(len(network))]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_that_looks_at_values_is_not_counted() -> None:
    class Looks(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if float(images.sum()) > 0 else -images

    assert kept_bytes(Looks(), (4, 1, 8, 8)) is None


def test_a_training_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network(made_up_data())
    kept = kept_bytes(network, (64, 1, 8, 8))
    assert kept is not None
    least = 4 * weights_bytes(network) + kept
    monkeypatch.setattr(AVAILABLE, lambda: least)
    check_training_memory(network, "it", (1, 1, 8, 8), 64)
    monkeypatch.setattr(AVAILABLE, lambda: least - 1)
    with pytest.raises(OutOfMemory, match=r"training it takes at least .* are left"):
        check_training_memory(network, "it", (1, 1, 8, 8), 64)
    check_training_memory(network, "it", (1, 1, 8, 8), 32)


def test_an_evaluator_looks_before_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AVAILABLE, lambda: 1000)
    with pytest.raises(OutOfMemory, match="are left"):
        TrainedEvaluator(made_up_data(), TrainingSettings(epochs=1)).evaluate(parse_model(SMALL))


def test_images_that_do_not_fit_in_another_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up_data(120)
    monkeypatch.setattr(AVAILABLE, lambda: 120 * 3 * 32**2 / 0.4)
    assert rescaled(data, 3, 32).input_shape == (3, 32, 32)
    with pytest.raises(UsageError, match=r"the 120 images of made-up take .* at 40x40, and .* are left"):
        rescaled(data, 3, 40)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("shapes do not fit"), False),
    ],
)
def test_failed_allocations_are_known(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_users_code_without_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hungry = "def network():\n    raise MemoryError\n\ndef accuracy(seed):\n    raise MemoryError\n"
    (tmp_path / "hungry.py").write_text(hungry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    with pytest.raises(OutOfMemory, match=r"hungry:network does not fit into memory"):
        parse_model("hungry:network", input_shape=(1, 1, 8, 8))
    with pytest.raises(HwnasError, match=r"hungry:accuracy failed: MemoryError"):
        OwnEvaluator("hungry:accuracy").evaluate(parse_model(SMALL))
