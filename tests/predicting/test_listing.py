"""Kernels that are listed without a run are those that run."""

from __future__ import annotations

import pytest
import torch

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.errors import CellError
from hwnas.core.workload import Workload
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.listing import list_kernels
from hwnas.workloads.build import load_program
from hwnas.workloads.patterns import pattern_workload

_WORKLOADS = [
    pattern_workload("depthwise_bottleneck", depth=2, width=16, resolution=14),
    pattern_workload("grouped", depth=2, width=32, resolution=14),
    Workload("torchvision", "squeezenet1_1", (1, 3, 64, 64)),
    Workload("zoo", "shufflenet_v1", (1, 3, 64, 64)),
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


def test_listing_leaves_threads_and_random_state_alone() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    list_kernels(_WORKLOADS[0], "torch:cpu:fp32", 1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


class _LooksAtValues(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if bool((x > 0).any()) else x


def test_a_network_that_computes_with_values_cannot_be_listed_for_pytorch() -> None:
    program = Program((torch.randn(1, 3, 8, 8),), _LooksAtValues().eval())
    with pytest.raises(CellError, match="without running it"):
        backend("torch:cpu:fp32").list_kernels(program, 1)
