"""Kernels that are listed without a run are those that run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.errors import CellError, OutOfMemory, UsageError
from hwnas.core.workload import Workload
from hwnas.measuring.count_in_worker import with_modelled_misses
from hwnas.predicting import listing
from hwnas.predicting.features import feature_matrix
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.listing import list_kernels
from hwnas.workloads.build import load_program
from hwnas.workloads.counting import count
from hwnas.workloads.layer_chain import chain_workload
from hwnas.workloads.live import dump_module, workload_of_module
from hwnas.workloads.patterns import pattern_workload

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

_WORKLOADS = [
    pattern_workload("depthwise_bottleneck", depth=2, width=16, resolution=14),
    pattern_workload("grouped", depth=2, width=32, resolution=14),
    Workload("torchvision", "squeezenet1_1", (1, 3, 64, 64)),
    Workload("zoo", "shufflenet_v1", (1, 3, 64, 64)),
    chain_workload("c16k3,n,r|u2|U2|q4|+|Q4|+|c32k1,n,v|w4|i3|c16k1,t|*|p|l10", 3, 8),
]


@pytest.mark.parametrize("workload", _WORKLOADS, ids=lambda w: w.name)
@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_facts_of_a_listing_are_those_of_a_run(backend_id: str, workload: Workload) -> None:
    listed = [KernelFacts.of(k) for k in list_kernels(workload, backend_id, 1)]
    loaded = load_program(workload)
    session = backend(backend_id).compile(Program(loaded.inputs, loaded.module), 1)
    session.run()
    ran = [KernelFacts.of(k) for k in session.kernels()]
    assert [k.category for k in listed] == [k.category for k in ran]
    assert [k.key for k in listed] == [k.key for k in ran]


class _Attends(torch.nn.Module):
    """Runs as one operator, or, where the number of heads is odd, as many."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(24, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.attention(x, x, x, need_weights=False)[0]
        return found


def _sequences(length: int) -> tuple[torch.nn.Module, torch.Tensor]:
    layers = torch.nn.Sequential(
        torch.nn.Conv1d(8, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv1d(16, 16, 5, padding="same", groups=16),
        torch.nn.Conv1d(16, 24, 1),
        torch.nn.ConvTranspose1d(24, 8, 4, stride=2, padding=1),
        torch.nn.Conv1d(8, 8, 3, stride=2, dilation=2, groups=2),
    )
    return layers, torch.randn(1, 8, length)


def _volumes(size: int) -> tuple[torch.nn.Module, torch.Tensor]:
    layers = torch.nn.Sequential(
        torch.nn.Conv3d(3, 8, 3, padding=1),
        torch.nn.Conv3d(8, 8, (1, 3, 3), stride=(1, 2, 2), groups=8),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose3d(8, 4, 2, stride=2),
        torch.nn.Conv3d(4, 4, 1),
        torch.nn.MaxPool3d(2),
    )
    return layers, torch.randn(1, 3, 6, size, size)


def _images(size: int) -> tuple[torch.nn.Module, torch.Tensor]:
    layers = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(8, 16, 2, stride=2),
        torch.nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1, output_padding=1, groups=4),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(16, 4, 1),
        torch.nn.ConvTranspose2d(4, 4, 3, dilation=2, bias=False),
    )
    return layers, torch.randn(1, 8, size, size)


_OTHERS = {
    "sequences": _sequences(40),
    "long sequences": _sequences(3000),
    "volumes": _volumes(9),
    "large volumes": _volumes(40),
    "upsampling": _images(5),
    "more upsampling": _images(56),
}
_ATTENTIONS = {
    "attention": (_Attends(4), torch.randn(2, 10, 24)),
    "attention with an odd number of heads": (_Attends(3), torch.randn(2, 10, 24)),
    "transformer": (
        torch.nn.TransformerEncoderLayer(24, 4, 48, batch_first=True, norm_first=True),
        torch.randn(1, 12, 24),
    ),
}


@pytest.mark.parametrize(
    ("backend_id", "name"),
    [
        *((b, n) for b in ("torch:cpu:fp32", "torch-nomkldnn:cpu:fp32", "openvino:cpu:fp32") for n in _OTHERS),
        *(("torch:cpu:fp32", n) for n in _ATTENTIONS),
    ],
)
def test_other_than_convolutions_of_images(backend_id: str, name: str) -> None:
    """Their listing is that of a run as well, by oneDNN and without it, and their multiply-adds are counted."""
    module, x = {**_OTHERS, **_ATTENTIONS}[name]
    program = Program((x,), module.eval())
    listed = [KernelFacts.of(k) for k in backend(backend_id).list_kernels(program, 1)]
    session = backend(backend_id).compile(program, 1)
    session.run()
    ran = [KernelFacts.of(k) for k in session.kernels()]
    assert [k.category for k in listed] == [k.category for k in ran]
    assert [k.key for k in listed] == [k.key for k in ran]
    assert sum(k.macs for k in listed) == count(module, (x,)).macs


def test_misses_of_a_listing_are_those_of_a_run() -> None:
    geometry, workload = "4194304,16,64", _WORKLOADS[1]
    listed = list_kernels(workload, "openvino:cpu:fp32", 1, geometries=[geometry])
    loaded = load_program(workload)
    session = backend("openvino:cpu:fp32").compile(Program(loaded.inputs, loaded.module), 1)
    session.run()
    ran = with_modelled_misses(session.kernels(), session, [CacheGeometry.of(geometry)], "cpu")
    rows = [feature_matrix([KernelFacts.of(k) for k in found], [geometry]) for found in (listed, ran)]
    np.testing.assert_array_equal(*rows)
    assert (rows[0][:, -1] >= 0).any()


def test_a_cache_that_is_named_twice_is_missed_once() -> None:
    once, twice = (
        [
            k.attributes.get("llc_misses")
            for k in list_kernels(_WORKLOADS[1], "openvino:cpu:fp32", 1, geometries=number * ["16384,4,64"])
        ]
        for number in (1, 2)
    )
    assert sum(sum(misses.values()) for misses in once if misses) > 0
    assert twice == once


def test_listing_leaves_threads_and_random_state_alone() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    list_kernels(_WORKLOADS[0], "torch:cpu:fp32", 1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


class _LooksAtValues(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if bool((x > 0).any()) else x


class _Asserts(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not x.is_meta
        return x


def test_a_network_that_computes_with_values_cannot_be_listed_for_pytorch() -> None:
    for module in (_LooksAtValues(), _Asserts()):
        program = Program((torch.randn(1, 3, 8, 8),), module.eval())
        with pytest.raises(CellError, match="without running it"):
            backend("torch:cpu:fp32").list_kernels(program, 1)


@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_an_input_that_the_network_does_not_take_is_told(backend_id: str) -> None:
    wrong = Workload("torchvision", "squeezenet1_1", (1, 5, 64, 64))
    with pytest.raises(UsageError, match=r"squeezenet1_1 cannot run on an input of shape 1x5x64x64.*--input"):
        list_kernels(wrong, backend_id, 1)


@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_an_input_that_does_not_fit_into_memory_is_not_made(
    backend_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.measuring.input_memory.available_memory_bytes", lambda: 1000)
    monkeypatch.setattr(listing, "load_untrained", None)
    with pytest.raises(OutOfMemory, match="1x3x64x64 would need 48 KiB of memory, and 850 B may be used"):
        list_kernels(_WORKLOADS[2], backend_id, 1)


def test_a_backend_that_runs_out_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr(listing, "program_kernels", fails)
    with pytest.raises(OutOfMemory, match="squeezenet1_1 64x64 b1 does not fit into memory"):
        list_kernels(_WORKLOADS[2], "torch:cpu:fp32", 1)


def test_a_network_that_runs_and_cannot_be_listed_gives_the_backends_reason() -> None:
    module, inputs = _LooksAtValues(), (torch.randn(1, 3, 8, 8),)
    workload = workload_of_module(module, inputs, weights=False)
    with pytest.raises(CellError, match="without running it"):
        list_kernels(workload, "torch:cpu:fp32", 1, dump_module(module, inputs))


class _Nothing(torch.nn.Module):
    """Adds a convolution of nothing to its input, as `none` does in a cell of NAS-Bench-201."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(8, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.last = torch.nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x + self.norm(self.convolution(torch.relu(torch.zeros_like(x)))))  # type: ignore[no-any-return]


def test_what_openvino_runs_while_compiling_is_told() -> None:
    program = Program((torch.randn(1, 8, 16, 16),), _Nothing().eval())
    kernels = backend("openvino:cpu:fp32").compile(program, 1).listed_kernels()
    run = [k for k in kernels if k.type == "Convolution" and not k.attributes.get("constant")]
    assert len(run) == 1
