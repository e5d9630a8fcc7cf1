"""What networks read and write, on the real runtimes, where it can be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.backends.torch_convolutions import TorchConvolutions
from hwnas.backends.torch_dataflow import torch_dataflow

pytestmark = [
    pytest.mark.usefixtures("torch_as_it_was"),
    # torch.utils.mkldnn scripts its modules.
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]

PLAIN = TorchConvolutions(
    onednn=True, reorders_activations=True, reorders_weights=True, threads=1, vector_floats=8
)
NATIVE = replace(PLAIN, onednn=False)
PIXELS = 56 * 56


def _network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 8, 1),
    ).eval()


def _types(flow) -> list[str]:
    return [s.type for s in flow.steps]


def _sizes(flow, indices) -> list[int]:
    return [flow.buffers[i].size for i in indices]


def test_eager_copies_to_onednn_and_back() -> None:
    flow = torch_dataflow(_network(), (torch.zeros(1, 16, 56, 56),), PLAIN)
    assert _types(flow) == [
        "layout reorder",
        "weight reorder",
        "convolution",
        "layout reorder",
        "native_batch_norm",
        "relu_",
        "convolution",  # a pointwise one of one image runs on PyTorch's own kernel
    ]
    convolution = flow.steps[2]
    assert _sizes(flow, convolution.reads) == [16 * PIXELS * 4, 16 * 32 * 9 * 4]
    assert _sizes(flow, convolution.writes) == [32 * PIXELS * 4]
    assert set(convolution.frees) == set(convolution.reads)
    assert len(flow.steps[4].writes) == 1
    relu = flow.steps[5]
    assert relu.reads == relu.writes


def test_two_threads_send_pointwise_convolutions_to_onednn() -> None:
    threads = replace(PLAIN, threads=2)
    flow = torch_dataflow(_network(), (torch.zeros(1, 16, 56, 56),), threads)
    assert _types(flow).count("weight reorder") == 2


def test_without_onednn_columns_are_written() -> None:
    flow = torch_dataflow(_network(), (torch.zeros(2, 16, 56, 56),), NATIVE)
    assert _types(flow)[:2] == ["im2col", "convolution"]
    assert _sizes(flow, flow.steps[0].writes) == [2 * 16 * 9 * PIXELS * 4]
    assert flow.steps[1].frees == flow.steps[0].writes


def test_a_transposed_convolution_without_onednn_sums_its_columns_up() -> None:
    network = nn.ConvTranspose2d(16, 6, 4, stride=2, groups=2).eval()
    flow = torch_dataflow(network, (torch.zeros(1, 16, 10, 10),), NATIVE)
    assert _types(flow) == ["convolution", "col2im"] * 2 + ["cat"]
    product, summing, *_, together = flow.steps
    assert _sizes(flow, product.writes) == [3 * 16 * 100 * 4]
    assert _sizes(flow, product.reads) == [8 * 100 * 4, 8 * 3 * 16 * 4]
    assert _sizes(flow, summing.reads) == [3 * 16 * 100 * 4, 6 * 4]
    assert _sizes(flow, summing.writes) == [3 * 22 * 22 * 4]
    assert summing.frees == product.writes
    assert _sizes(flow, together.reads) == [3 * 22 * 22 * 4] * 2
    assert _sizes(flow, together.writes) == [6 * 22 * 22 * 4]


def test_groups_without_onednn_run_one_after_the_other_on_small_columns() -> None:
    network = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False).eval()
    flow = torch_dataflow(network, (torch.zeros(1, 16, 56, 56),), NATIVE)
    assert _types(flow) == ["im2col", "convolution"] * 16 + ["cat"]
    assert _sizes(flow, flow.steps[0].reads) == [PIXELS * 4]
    assert _sizes(flow, flow.steps[0].writes) == [9 * PIXELS * 4]
    parts = [flow.buffers[s.reads[0]] for s in flow.steps[:-1:2]]
    assert [p.offset for p in parts] == [n * PIXELS * 4 for n in range(16)]
    # Two images: the channels of a group lie apart, and are copied first.
    pair = torch_dataflow(network, (torch.zeros(2, 16, 56, 56),), NATIVE)
    assert _types(pair)[:3] == ["contiguous", "im2col", "convolution"]
    assert _sizes(pair, pair.steps[0].reads) == [PIXELS * 4] * 2


def test_a_strided_pointwise_convolution_without_onednn_gathers_its_input() -> None:
    network = nn.Conv2d(16, 8, 1, stride=2, bias=False).eval()
    flow = torch_dataflow(network, (torch.zeros(1, 16, 56, 56),), NATIVE)
    assert _types(flow) == ["im2col", "convolution"]
    assert _sizes(flow, flow.steps[0].writes) == [16 * 28 * 28 * 4]


def test_a_dilated_convolution_without_onednn_takes_image_by_image_on_the_same_columns() -> None:
    network = nn.Conv2d(16, 8, 3, padding=2, dilation=2, bias=False).eval()
    slow = replace(PLAIN, dilated_onednn=False)
    flow = torch_dataflow(network, (torch.zeros(2, 16, 56, 56),), slow)
    assert _types(flow) == ["im2col", "convolution"] * 2
    assert _sizes(flow, flow.steps[0].reads) == [16 * PIXELS * 4]
    assert _sizes(flow, flow.steps[0].writes) == [16 * 9 * PIXELS * 4]
    assert flow.steps[2].writes == flow.steps[0].writes
    assert [flow.buffers[s.writes[0]].offset for s in flow.steps[1::2]] == [0, 8 * PIXELS * 4]
    assert "im2col" not in _types(torch_dataflow(network, (torch.zeros(2, 16, 56, 56),), PLAIN))


def test_a_dilated_depthwise_convolution_without_onednn_takes_channel_by_channel() -> None:
    network = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16, bias=False).eval()
    flow = torch_dataflow(network, (torch.zeros(1, 16, 56, 56),), replace(PLAIN, dilated_onednn=False))
    assert _types(flow) == ["im2col", "convolution"] * 16 + ["cat"]
    assert _sizes(flow, flow.steps[0].writes) == [9 * PIXELS * 4]


def test_a_view_is_read_where_it_lies() -> None:
    class Halves(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first, second = x.chunk(2, 1)
            return torch.cat([torch.relu(first), second], 1)

    half = 4 * PIXELS * 4
    flow = torch_dataflow(Halves().eval(), (torch.zeros(1, 8, 56, 56),), PLAIN)
    relu, together = flow.steps
    assert _sizes(flow, relu.reads) == [half]
    assert _sizes(flow, together.reads) == [half, half]
    assert flow.buffers[together.reads[1]].offset == half
    flow = torch_dataflow(Halves().eval(), (torch.zeros(3, 8, 56, 56),), PLAIN)
    places = [flow.buffers[i] for i in flow.steps[0].reads]
    assert [(p.offset, p.size) for p in places] == [(2 * half * n, half) for n in range(3)]


def test_a_view_in_many_pieces_counts_as_all_between_its_ends() -> None:
    class Column(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x[:, :1])

    flow = torch_dataflow(Column().eval(), (torch.zeros(1000, 8),), PLAIN)
    assert _sizes(flow, flow.steps[0].reads) == [(999 * 8 + 1) * 4]


def test_a_sequence_is_an_image_of_height_one() -> None:
    pointwise = nn.Conv1d(16, 8, 1, bias=False).eval()
    assert _types(torch_dataflow(pointwise, (torch.zeros(1, 16, 4000),), PLAIN)) == ["convolution"]
    wide = nn.Conv1d(16, 8, 5, bias=False).eval()
    assert "weight reorder" in _types(torch_dataflow(wide, (torch.zeros(1, 16, 4000),), PLAIN))
    flow = torch_dataflow(wide, (torch.zeros(1, 16, 4000),), NATIVE)
    assert _sizes(flow, flow.steps[0].writes) == [16 * 5 * 3996 * 4]


def test_tensors_are_freed_where_python_drops_them() -> None:
    class Residual(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(x)
            z = torch.sigmoid(y)
            return y + z

    flow = torch_dataflow(Residual().eval(), (torch.zeros(1, 8),), PLAIN)
    relu, sigmoid, add = flow.steps
    assert (relu.frees, sigmoid.frees) == ((), ())
    assert set(add.reads) == {*relu.writes, *sigmoid.writes}
    assert set(add.frees) == set(add.reads)


def test_views_move_nothing_and_shared_weights_are_one() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(8, 8, bias=False)
            self.b = nn.Linear(8, 8, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x.view(-1, 8)))

    flow = torch_dataflow(Tied().eval(), (torch.zeros(2, 2, 8),), PLAIN)
    assert sum(b.role == "weight" for b in flow.buffers) == 1
    assert len(flow.steps) == 2


def test_tracing_changes_nothing() -> None:
    network, x = _network(), torch.randn(1, 16, 56, 56)
    with torch.no_grad():
        before = network(x)
        torch_dataflow(network, (x,), PLAIN)
        assert torch.equal(network(x), before)
    assert all(p.device.type == "cpu" for p in network.parameters())


@pytest.mark.parametrize(
    "arm", ["torch", "torch-nomkldnn", "torch-mkldnn", "torch-channels-last", "torch-slow-dilated"]
)
def test_every_torch_arm_tells_its_dataflow(arm: str) -> None:
    program = Program((torch.randn(1, 16, 56, 56),), _network())
    flow = backend(f"{arm}:cpu:fp32").compile(program, 1).dataflow()
    assert flow is not None
    assert _types(flow).count("convolution") == 2
    assert ("layout reorder" in _types(flow)) == (arm in ("torch", "torch-slow-dilated"))
    assert ("im2col" in _types(flow)) == (arm == "torch-nomkldnn")


def test_the_arm_with_slow_dilated_convolutions_says_so() -> None:
    network = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16).eval()
    program = Program((torch.randn(1, 16, 56, 56),), network)
    flow = backend("torch-slow-dilated:cpu:fp32").compile(program, 1).dataflow()
    assert flow is not None
    assert _types(flow).count("im2col") == 16


def test_onednn_tensors_of_small_images_stay_with_onednn() -> None:
    program = Program((torch.randn(1, 16, 8, 8),), _network())
    types = [
        _types(backend(f"{arm}:cpu:fp32").compile(program, 1).dataflow()) for arm in ("torch", "torch-mkldnn")
    ]
    plain, blocked = types
    assert "im2col" in plain
    assert "im2col" not in blocked
    assert blocked.count("convolution") == 2


def test_openvino_fuses_what_eager_runs_one_by_one() -> None:
    program = Program((torch.randn(1, 16, 56, 56),), _network())
    flow = backend("openvino:cpu:fp32").compile(program, 1).dataflow()
    assert flow is not None
    convolutions = [s for s in flow.steps if s.type == "convolution"]
    assert len(convolutions) == 2
    assert not any("norm" in t or "relu" in t for t in _types(flow))
    # Convolution, batch normalisation and activation in one.
    assert "relu" in convolutions[0].source
    assert max(_sizes(flow, convolutions[0].reads)) == 16 * PIXELS * 4
    assert _sizes(flow, convolutions[0].writes) == [32 * PIXELS * 4]
    roles = [b.role for b in flow.buffers]
    assert (roles.count("input"), roles.count("output")) == (1, 1)


@pytest.mark.parametrize("arm", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_a_batch_multiplies_activations_and_not_weights(arm: str) -> None:
    def totals(batch: int) -> dict[str, int]:
        # Large enough that the choice of a kernel does not depend on the batch.
        network = nn.Sequential(nn.Conv2d(16, 32, 3, bias=False), nn.ReLU(), nn.Conv2d(32, 16, 3, bias=False))
        program = Program((torch.randn(batch, 16, 64, 64),), network.eval())
        flow = backend(arm).compile(program, 1).dataflow()
        found: dict[str, int] = {}
        for index in {i for step in flow.steps if "weight" not in step.type for i in step.touches}:
            buffer = flow.buffers[index]
            found[buffer.role] = found.get(buffer.role, 0) + buffer.size
        return found

    one, four = totals(1), totals(4)
    assert four["input"] == 4 * one["input"] == 4 * 16 * 64 * 64 * 4
    weights = 2 * 16 * 32 * 9 * 4
    if arm == "openvino:cpu:fp32":
        assert four["output"] == 4 * one["output"] == 4 * 16 * 60 * 60 * 4
        assert four["weight"] == one["weight"] == weights
        assert four["temporary"] == 4 * one["temporary"]
    else:
        # Eager reorders its weights in every call, into temporaries that are as large for any batch.
        assert four["temporary"] - weights == 4 * (one["temporary"] - weights)


def test_precision_is_what_the_execution_graph_says() -> None:
    """An input of bytes, which the compiled network converts to float32 first."""

    class Bytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(16, 16, 3, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x.to(torch.float32))

    program = Program((torch.zeros(1, 16, 28, 28, dtype=torch.uint8),), Bytes().eval())
    flow = backend("openvino:cpu:fp32").compile(program, 1).dataflow()
    (first,) = [b for b in flow.buffers if b.role == "input"]
    assert first.size == 16 * 28 * 28
    (convolution,) = [s for s in flow.steps if s.type == "convolution"]
    assert 16 * 28 * 28 * 4 in _sizes(flow, convolution.reads)


def test_half_precision_halves_what_eager_moves() -> None:
    def touched(dtype: torch.dtype) -> int:
        network = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)).to(dtype).eval()
        flow = torch_dataflow(network, (torch.zeros(1, 8, 56, 56, dtype=dtype),), PLAIN)
        return sum(sum(_sizes(flow, s.touches[:2])) for s in flow.steps)

    assert 2 * touched(torch.bfloat16) == touched(torch.float32)


def test_what_openvino_computes_while_it_compiles_is_no_step() -> None:
    class OfZeros(nn.Module):
        """As `none` and a convolution in a cell of NAS-Bench-201: it runs once, before any inference."""

        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(8, 8, 3, padding=1)
            self.register_buffer("zeros", torch.zeros(1, 8, 56, 56))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + self.convolution(self.zeros)

    images = torch.randn(1, 8, 56, 56)
    session = backend("openvino:cpu:fp32").compile(Program((images,), OfZeros().eval()), threads=1)
    flow = session.dataflow()
    assert flow is not None
    assert "convolution" not in _types(flow)
    (added,) = (step for step in flow.steps if any(flow.buffers[i].role == "output" for i in step.writes))
    assert {flow.buffers[i].role for i in added.reads} == {"input", "weight"}
