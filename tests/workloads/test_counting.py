"""Counting multiply-adds of modules that are not in any zoo."""

import pytest
import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.workloads.counting import count
from hwnas.workloads.memory import activation_memory, weights_bytes


class Upsampled(nn.Module):
    def forward(self, x):
        return nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


class Looking(nn.Module):
    """Its path depends on a value, so it cannot run without data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)

    def forward(self, x):
        return self.layer(self.layer(x)) if float(x.sum()) > 0 else self.layer(x)


class Attention(nn.Module):
    def __init__(self, needs_values: bool) -> None:
        super().__init__()
        self.needs_values = needs_values

    def forward(self, x):
        if self.needs_values:
            float(x.sum())
        return nn.functional.scaled_dot_product_attention(x, x, x)


def test_convolution_by_hand() -> None:
    module = nn.Sequential(nn.Conv2d(6, 12, 3, stride=2, padding=1, groups=3), nn.ReLU(), nn.Flatten()).eval()
    counts = count(module, (torch.zeros(2, 6, 8, 8),))
    assert counts.macs == 2 * 4 * 4 * 12 * (6 // 3) * 9
    assert counts.parameters == 12 * 2 * 9 + 12
    assert counts.uncounted == {}


def test_shared_weights_count_once_and_work_every_time() -> None:
    layer = nn.Linear(4, 4, bias=False)
    counts = count(nn.Sequential(layer, layer).eval(), (torch.zeros(3, 4),))
    assert (counts.macs, counts.parameters) == (2 * 3 * 16, 16)


def test_what_has_no_formula_is_reported() -> None:
    module = nn.Sequential(Upsampled(), nn.Conv2d(1, 1, 1, bias=False), Upsampled())
    counts = count(module.eval(), (torch.zeros(1, 1, 4, 4),))
    assert counts.macs == 64
    assert counts.uncounted == {"aten.upsample_bilinear2d": 2}


@pytest.mark.parametrize(("value", "passes"), [(1.0, 2), (-1.0, 1)])
def test_a_module_that_looks_at_values_runs_for_real(value: float, passes: int) -> None:
    counts = count(Looking().eval(), (torch.full((1, 4), value),))
    assert counts.macs == passes * 16


@pytest.mark.parametrize("needs_values", [False, True])
def test_attention_counts_on_every_path(needs_values: bool) -> None:
    batch, heads, tokens, channels = 1, 2, 5, 8
    counts = count(Attention(needs_values).eval(), (torch.ones(batch, heads, tokens, channels),))
    assert counts.macs == 2 * heads * tokens * tokens * channels
    assert counts.uncounted == {}


def test_counting_changes_nothing() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    count(module, (torch.randn(1, 3, 8, 8),))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert module[0].weight.device.type == "cpu"


def test_a_wrong_shape_names_the_model_and_the_option() -> None:
    with pytest.raises(UsageError, match=r"mynet cannot run on an input of shape 1x1x8x8.*--input"):
        count(nn.Conv2d(3, 4, 3).eval(), (torch.zeros(1, 1, 8, 8),), "mynet")


class Branching(nn.Module):
    def forward(self, x):
        a = x + 1
        b = x * 2
        return a + b


def test_memory_counts_what_lives_at_once() -> None:
    values = torch.zeros(10)
    # Input, both branches and their sum are alive together.
    assert activation_memory(Branching(), (values,)).peak_bytes == 4 * 40
    chain = nn.Sequential(nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid())
    # The caller holds the input; of the rest only one link's input and output live.
    assert activation_memory(chain, (values,)).peak_bytes == 3 * 40
    inplace = nn.Sequential(nn.Sigmoid(), nn.ReLU(inplace=True))
    assert activation_memory(inplace, (values,)).peak_bytes == 2 * 40


def test_weights_are_not_activations() -> None:
    layer = nn.Linear(100, 10).eval()
    assert weights_bytes(layer) == 4 * 1010
    memory = activation_memory(layer, (torch.zeros(1, 100),))
    assert memory.peak_bytes == 4 * (100 + 10)
