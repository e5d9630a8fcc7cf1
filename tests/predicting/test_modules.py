"""A module in training is one network, however often its weights change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from made_up_kernels import convolution, training_set
from torch import nn

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload
from hwnas.predicting.asked import RecentKernels
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor

IMAGE = torch.zeros(1, 3, 16, 16)


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """What was listed, in order; nothing is compiled."""
    asked: list[Workload] = []

    def listed(workload: Workload, backend: str, threads: int, blob: bytes, *_: object) -> tuple[Kernel, ...]:
        assert blob
        asked.append(workload)
        return (convolution(64, 64, 28),)

    monkeypatch.setattr("hwnas.predicting.predictor.list_kernels", listed)
    return asked


@pytest.fixture
def predictor() -> LatencyPredictor:
    return fit_predictor(training_set(2, 3), Environment("A processor", "x86_64", 2, 2**34), trees=2).predictor


def network(width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4)
    )


def test_steps_of_a_training_list_and_write_a_module_once(
    predictor: LatencyPredictor, listings: list[Workload], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[nn.Module] = []
    dump: Callable[..., bytes] = lambda module, inputs: written.append(module) or b"bytes"  # noqa: E731
    monkeypatch.setattr("hwnas.workloads.live.dump_module", dump)
    model = network()
    model(IMAGE.expand(2, -1, -1, -1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    latencies = set()
    for step in range(3):
        optimizer.zero_grad()
        model.train()(torch.randn(4, 3, 16, 16)).sum().backward()
        optimizer.step()
        latencies.add(predictor.predict(model.train(step % 2 == 0), IMAGE).latency_s)
    assert len(latencies) == len(listings) == len(written) == 1


def test_another_width_or_input_is_another_network(
    predictor: LatencyPredictor, listings: list[Workload]
) -> None:
    one, other = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 16, 3)
    for model, image in ((one, IMAGE), (other, IMAGE), (one, IMAGE), (one, torch.zeros(2, 3, 16, 16))):
        predictor.predict(model, image)
    assert len({workload.key for workload in listings}) == len(listings) == 3


def test_the_networks_asked_for_last_are_kept() -> None:
    recent = RecentKernels(2)
    for key in ("a", "b"):
        recent.keep(key, ())
    assert recent.get("a") == ()
    recent.keep("c", ())
    assert len(recent) == 2
    assert [recent.get(key) for key in "abc"] == [(), None, ()]


def test_a_module_needs_an_input(predictor: LatencyPredictor) -> None:
    with pytest.raises(UsageError, match="example_input"):
        predictor.predict(nn.Conv2d(3, 8, 3))


def test_an_input_that_is_no_tensor_is_told(predictor: LatencyPredictor) -> None:
    for model in ("torchvision:resnet18", nn.Conv2d(3, 8, 3)):
        with pytest.raises(UsageError, match=r"example.input is"):
            predictor.predict(model, (1, 3, 16, 16))  # type: ignore[arg-type]
