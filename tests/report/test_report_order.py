from __future__ import annotations

import pytest

from hwnas.backends.registry import BACKENDS
from hwnas.core.workload import Workload
from hwnas.report.order import (
    backends_in_order,
    image,
    lines_of,
    network_names,
    number,
    short_backends,
    sized_name,
)
from hwnas.workloads.patterns import pattern_workload


def names(*workloads: Workload) -> list[str]:
    found = network_names(workloads)
    return [found[w.key] for w in workloads]


def test_depth_width_and_batch_are_not_part_of_a_name() -> None:
    assert names(
        pattern_workload("grouped", depth=10, width=64),
        pattern_workload("grouped", depth=20, width=32, batch=8),
    ) == ["grouped", "grouped"]


def test_what_tells_variants_apart_is() -> None:
    four, eight = (pattern_workload("grouped", depth=10, width=64, groups=g) for g in (4, 8))
    standard = pattern_workload("standard", depth=10, width=64)
    assert names(four, eight, standard) == ["grouped groups=4", "grouped groups=8", "standard"]


def test_models() -> None:
    shape = (1, 3, 32, 32)
    zoo = Workload("torchvision", "resnet18", shape)
    seeded = Workload("torchvision", "resnet18", shape, seed=3)
    file = Workload("file", "some/folder/net.onnx", shape, {"sha256": "0123456789abcdef"})
    changed = Workload("file", "some/folder/net.onnx", shape, {"sha256": "fedcba9876543210"})
    assert names(zoo) == ["torchvision:resnet18"]
    assert names(zoo, seeded) == ["torchvision:resnet18 seed=0", "torchvision:resnet18 seed=3"]
    assert names(file, changed) == ["net.onnx sha256=01234567", "net.onnx sha256=fedcba98"]


def test_short_backends_mean_the_same_on_the_command_line() -> None:
    found = short_backends(BACKENDS.names())
    assert found["torch:cpu:fp32"] == "torch"
    assert {full: BACKENDS.resolve(short) for full, short in found.items()} == {n: n for n in BACKENDS.names()}


def test_unknown_backends_come_last_and_keep_their_name() -> None:
    assert backends_in_order(["acme:tpu:int8", "openvino:cpu:fp32", "torch:cpu:fp32"]) == [
        "torch:cpu:fp32",
        "openvino:cpu:fp32",
        "acme:tpu:int8",
    ]
    # A part of it would be ambiguous.
    both = ["torch:cpu:fp32", "torch:cpu:bf16"]
    assert short_backends(both) == {name: name for name in both}


@pytest.mark.parametrize(("value", "expected"), [(10, 10), ("10", None), (True, None), (1.5, None)])
def test_number(value: object, expected: int | None) -> None:
    assert number(Workload("factory", "a:b", (1, 3), {"depth": value}), "depth") == expected  # type: ignore[dict-item]


def test_image() -> None:
    assert image(Workload("factory", "a:b", (2, 3, 32, 48))) == "32x48"
    assert image(Workload("factory", "a:b", (2, 128))) == "128"


def test_a_long_name_keeps_its_sizes_on_a_line_of_their_own() -> None:
    workload = pattern_workload("depthwise_bottleneck", depth=50, width=64, batch=32)
    name = f"{sized_name('depthwise_bottleneck', workload)}, 1 thread"
    assert lines_of(name) == ["depthwise bottleneck", "depth 50, width 64, batch 32, 1 thread"]
    assert lines_of("standard, depth 50, width 64") == ["standard, depth 50, width 64"]
    (one,) = lines_of("x" * 100)
    assert len(one) < 50
