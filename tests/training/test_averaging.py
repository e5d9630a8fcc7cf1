"""The average of a network over its training."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.training.averaging import WeightAverage


def _followed(values: list[float]) -> float:
    network = nn.Linear(1, 1)
    average = WeightAverage(network)
    for value in values:
        with torch.no_grad():
            network.weight.fill_(value)
        average.follow(network)
    return average.network.get_parameter("weight").item()


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_the_last_steps_count_most(steps: int) -> None:
    values = [float(torch.sin(torch.tensor(3.0 * n))) for n in range(steps)]
    # What the recursion comes to: step t has the weight (t + 7)! / (t - 1)!, up to a factor.
    weights = [torch.arange(t, t + 8).double().prod() for t in range(1, steps + 1)]
    expected = float(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    assert _followed(values) == pytest.approx(expected, abs=1e-6)


def test_a_network_that_jumps_about_has_a_steady_average() -> None:
    jumping = [(-1.0) ** n for n in range(200)]
    assert abs(_followed(jumping)) < 0.05


def test_it_goes_on_where_an_earlier_run_has_stopped() -> None:
    network = nn.BatchNorm1d(2)
    whole, first = WeightAverage(network), WeightAverage(network)
    for step in range(6):
        with torch.no_grad():
            network.weight.fill_(step)
        network.num_batches_tracked += 1
        if step == 3:
            second = WeightAverage(network)
            second.network.load_state_dict(first.network.state_dict())
            second.go_on_at(3)
            first = second
        whole.follow(network)
        first.follow(network)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, first.network.state_dict()[name]), name
    assert whole.network.get_buffer("num_batches_tracked") == 6


def test_statistics_are_those_of_the_averaged_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = WeightAverage(network)
    average.follow(network)
    generator = torch.Generator().manual_seed(0)
    batches = list(torch.randn(8, 32, 3, generator=generator))
    average.renew_statistics(batches)
    scores = average.network[0](torch.cat(batches))  # type: ignore[index]
    norm = average.network.get_submodule("1")
    torch.testing.assert_close(norm.running_mean, scores.mean(0))
    torch.testing.assert_close(norm.running_var, scores.reshape(8, 32, 4).var(1).mean(0))
    assert not any(module.training for module in average.network.modules())
    # The network itself goes on with its own.
    assert float(network.get_buffer("1.running_mean").abs().max()) == 0.0


def test_buffers_are_the_networks_own() -> None:
    network = nn.Linear(1, 2)
    network.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    average = WeightAverage(network)
    for step in range(3):
        with torch.no_grad():
            network.get_buffer("mask")[0] = step
        average.follow(network)
    assert average.network.get_buffer("mask").tolist() == [2.0, -torch.inf]


class _Frozen(nn.Sequential):
    """Its normalisation keeps the statistics that it came with."""

    def train(self, mode: bool = True) -> _Frozen:
        super().train(mode)
        self[1].eval()
        return self


def test_statistics_that_a_training_leaves_alone_stay() -> None:
    network = _Frozen(nn.Linear(3, 4), nn.BatchNorm1d(4))
    network.get_buffer("1.running_mean").fill_(3.0)
    network.get_buffer("1.running_var").fill_(4.0)
    average = WeightAverage(network)
    average.follow(network.train())
    average.renew_statistics([torch.randn(8, 3)])
    assert average.network.get_buffer("1.running_mean").tolist() == [3.0] * 4
    assert average.network.get_buffer("1.running_var").tolist() == [4.0] * 4


def test_a_network_that_cannot_be_copied_is_one_line() -> None:
    network = nn.Linear(1, 1)
    network.__dict__["lock"] = threading.Lock()
    with pytest.raises(UsageError, match=r"since it cannot be copied: TypeError.*copy\.deepcopy") as caught:
        WeightAverage(network)
    assert "\n" not in str(caught.value)


def test_numbers_that_have_no_mean_are_taken_over() -> None:
    network = nn.Linear(1, 1)
    network.register_parameter("table", nn.Parameter(torch.tensor([0, 0]), requires_grad=False))
    average = WeightAverage(network)
    for step in range(3):
        network.get_parameter("table").fill_(step)
        average.follow(network)
    assert average.network.get_parameter("table").tolist() == [2, 2]
