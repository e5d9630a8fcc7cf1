"""Runtimes' names of operators, by what they are for."""

import pytest

from hwnas.cache_misses.model import modelled_misses
from hwnas.cache_misses.operators import OPERATOR_KINDS, misses_by_operator, operator_kind
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.dataflow import Buffer, Dataflow, Step


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("convolution", "convolution"),
        ("weight reorder", "weight reorder"),
        ("layout reorder", "layout reorder"),
        ("Reorder", "layout reorder"),
        ("Convert", "layout reorder"),
        ("im2col", "layout reorder"),
        ("native_batch_norm", "normalisation"),
        ("relu_", "activation"),
        ("hardtanh_", "activation"),
        ("FullyConnected", "matrix product"),
        ("addmm", "matrix product"),
        ("mkldnn_convolution", "convolution"),
        ("mkldnn_linear", "matrix product"),
        ("to_dense", "layout reorder"),
        ("to_mkldnn", "layout reorder"),
        ("chunk", "data movement"),
        ("add_", "elementwise"),
        ("max_pool2d_with_indices", "pooling"),
        ("Softmax", "activation"),
        ("leaky_relu_", "activation"),
        ("PRelu", "activation"),
        ("_softmax", "activation"),
        ("cat", "data movement"),
        ("clone", "data movement"),
        ("_adaptive_avg_pool2d", "pooling"),
        ("native_group_norm", "normalisation"),
        ("MVN", "normalisation"),
        ("Subgraph", "elementwise"),
        # Not "linear", and not a convolution.
        ("upsample_bilinear2d", "other"),
        ("Interpolate", "other"),
        ("ConvertLike", "other"),
    ],
)
def test_names_of_both_runtimes(type_: str, kind: str) -> None:
    assert operator_kind(type_) == kind
    assert kind in OPERATOR_KINDS


def test_parts_sum_to_the_whole() -> None:
    size = 2**24
    buffers = (Buffer(size, "input"), Buffer(size, "temporary"), Buffer(size, "output"))
    steps = (Step("a", "convolution", (0,), (1,)), Step("b", "relu", (1,), (2,), frees=(1,)))
    found = modelled_misses(Dataflow(buffers, steps, "heap"), CacheGeometry(2**20, 16, 64))
    parts = misses_by_operator(found)
    assert sum(parts.values()) == found.misses
    assert set(parts) == {"convolution", "activation"}
