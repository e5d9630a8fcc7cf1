"""Kernels that are listed without a run are those that run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.errors import CellError
from hwnas.core.workload import Workload
from hwnas.measuring.count_in_worker import with_modelled_misses
from hwnas.predicting.features import feature_matrix
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
