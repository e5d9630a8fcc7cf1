"""The real modules of pattern stacks: their costs, and what comes out of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.workloads.build import build
from hwnas.workloads.counting import count
from hwnas.workloads.memory import _Tracker, activation_memory, weights_bytes
from hwnas.workloads.patterns import PATTERNS, PatternStack, pattern_workload
from hwnas.workloads.stack_module import stack_module, stack_skeleton

STACKS = st.builds(
    pattern_workload,
    st.sampled_from(tuple(PATTERNS)),
    depth=st.integers(1, 4),
    width=st.integers(1, 6).map(lambda n: 8 * n),
    batch=st.integers(1, 3),
    resolution=st.integers(1, 9),
    kernel=st.sampled_from([1, 3, 5]),
).map(PatternStack.of)


@settings(max_examples=25)
@given(STACKS)
def test_closed_forms_equal_what_the_module_does(stack: PatternStack) -> None:
    skeleton = stack_skeleton(stack)
    counts = count(skeleton, (torch.empty(stack.input_shape, device="meta"),))
    assert (counts.macs, counts.parameters, dict(counts.uncounted)) == (stack.macs, stack.parameters, {})
    assert weights_bytes(skeleton) == stack.weights_bytes

    values = torch.zeros(stack.input_shape)
    module = stack_module(stack, seed=0)
    with torch.no_grad(), _Tracker((values,)) as tracker:
        assert module(values).shape == values.shape
    assert tracker.peak_bytes == stack.peak_activation_bytes
    assert tracker.traffic_bytes == stack.activation_bytes


def test_memory_without_data_is_that_of_the_real_run() -> None:
    stack = PatternStack.of(pattern_workload("bottleneck", depth=3, width=8, resolution=32))
    memory = activation_memory(stack_skeleton(stack), (torch.empty(stack.input_shape, device="meta"),))
    # On the meta device batch normalisation returns a few statistics more.
    assert memory.peak_bytes == pytest.approx(stack.peak_activation_bytes, rel=0.01)
    assert memory.traffic_bytes == pytest.approx(stack.activation_bytes, rel=0.01)


def response(module: torch.nn.Module, values: torch.Tensor, other: torch.Tensor) -> float:
    first, second = module(values), module(other)
    return float((first - second).norm() / first.norm())


@pytest.mark.parametrize("pattern", PATTERNS)
@torch.no_grad()
def test_depth_neither_silences_nor_explodes_a_stack(pattern: str) -> None:
    variances = []
    for depth in (1, 10, 50):
        built = build(pattern_workload(pattern, depth=depth, width=32, resolution=14))
        assert not any(m.training for m in built.module.modules())
        (values,) = built.inputs
        other = torch.randn(values.shape, generator=torch.Generator().manual_seed(99))
        output = built.module(values)
        variances += [float(output.var()), float(built.module(other).var())]
        assert response(built.module, values, other) > 0.1
    assert max(variances) / min(variances) < 2


@pytest.mark.parametrize("pattern", PATTERNS)
@torch.no_grad()
def test_rounding_errors_do_not_grow_with_depth(pattern: str) -> None:
    # A plain stack with unshifted batch normalisation disagrees with itself by 100 % here.
    built = build(pattern_workload(pattern, depth=50, width=32, resolution=14))
    (values,) = built.inputs
    output = built.module(values).double()
    exact = built.module.double()(values.double())
    assert float((output - exact).abs().max() / exact.abs().max()) < 1e-4


def test_the_same_workload_gives_the_same_network() -> None:
    workload = pattern_workload("depthwise_bottleneck", depth=3, width=16, resolution=8, batch=2)
    before = torch.get_rng_state()
    first, second = build(workload), build(workload)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in first.module.state_dict().items():
        assert torch.equal(tensor, second.module.state_dict()[name]), name
    assert torch.equal(first.inputs[0], second.inputs[0])
    assert first.inputs[0].dtype == torch.float32


def test_another_seed_gives_other_weights_and_inputs() -> None:
    one, two = (
        build(pattern_workload("standard", depth=1, width=8, resolution=8, seed=seed)) for seed in (1, 2)
    )
    assert not torch.equal(one.module[0].weight, two.module[0].weight)
    assert not torch.equal(one.inputs[0], two.inputs[0])


def test_every_batch_has_the_same_weights_and_first_images() -> None:
    small, large = (
        build(pattern_workload("standard", depth=2, width=8, resolution=8, batch=batch)) for batch in (1, 7)
    )
    for name, tensor in small.module.state_dict().items():
        assert torch.equal(tensor, large.module.state_dict()[name]), name
    assert torch.equal(small.inputs[0], large.inputs[0][:1])


def test_layers_are_convolution_normalisation_activation() -> None:
    stack = PatternStack.of(pattern_workload("depthwise_bottleneck", depth=1, width=48, resolution=8))
    kinds = [type(layer).__name__ for layer in stack_skeleton(stack)]
    assert kinds == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU6",
        "Conv2d",
        "BatchNorm2d",
        "ReLU6",
        "Conv2d",
        "BatchNorm2d",
    ]
