"""From a profile's nested operators to the one that did the work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from hwnas.backends.torch_kernels import _working_operator, executed_kernels
from hwnas.backends.torch_profile import Operator, profiled_operators

WEIGHT = torch.ones(3, 2, 3, 3)


def event(name: str, time_s: float, *children: Operator) -> Operator:
    return Operator(f"aten::{name}", time_s, list(children))


def test_a_convolution_is_followed_down_whatever_else_took_the_time() -> None:
    """On a busy host a copy that waited for the processor can take longer than the kernel."""
    slow = event("slow_conv_dilated2d", 3, event("resize_", 1), event("fill_", 2))
    inner = event("_convolution", 10, event("contiguous", 6), slow, slow, event("cat", 1))
    found = _working_operator(event("conv2d", 14, event("convolution", 12, inner)))
    assert found == "aten::slow_conv_dilated2d"


def test_other_operators_are_followed_by_their_time() -> None:
    shares = event("linear", 10, event("transpose", 1), event("addmm", 8))
    assert _working_operator(shares) == "aten::addmm"
    itself = event("mean", 10, event("sum", 3), event("div_", 2))
    assert _working_operator(itself) == "aten::mean"
    assert _working_operator(event("relu", 2, event("empty", 2))) == "aten::relu"


def test_a_transposed_convolution_by_onednn_is_known_though_it_is_no_operator() -> None:
    by_onednn = event("_convolution", 10, event("empty", 6))
    found = _working_operator(event("conv_transpose2d", 14, event("convolution", 12, by_onednn)))
    assert found == "aten::mkldnn_convolution_transpose"
    own = event("_convolution", 10, event("slow_conv_transpose2d", 6))
    found = _working_operator(event("conv_transpose2d", 14, event("convolution", 12, own)))
    assert found == "aten::slow_conv_transpose2d"
    weight = torch.ones(2, 3, 5, 5)
    run = executed_kernels(lambda: torch.nn.functional.conv_transpose2d(torch.ones(2, 2, 8, 8), weight))
    (kernel,) = (k for k in run if k.type == "conv_transpose2d")
    assert kernel.implementation.startswith("onednn:")
    assert kernel.attributes["output_padding"] == [0, 0]


def test_a_network_that_varies_from_call_to_call_has_the_kernels_of_one_call_and_no_times() -> None:
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        x = torch.relu(torch.ones(8))
        if calls % 2:
            torch.sigmoid(x)

    found = executed_kernels(run)
    assert len(found) in (2, 3)
    assert all(k.time_s is None for k in found)


def test_a_steady_network_has_a_time_for_each_kernel() -> None:
    found = executed_kernels(lambda: torch.relu(torch.nn.functional.conv2d(torch.ones(1, 2, 8, 8), WEIGHT)))
    convolution = next(k for k in found if k.type == "conv2d")
    assert convolution.attributes["groups"] == 1
    assert convolution.attributes["stride"] == [1, 1]
    assert all(k.time_s is not None and k.time_s > 0 for k in found)


def test_a_profile_holds_operators_within_those_that_called_them() -> None:
    with torch.inference_mode():
        operators, count = profiled_operators(
            lambda: torch.relu(torch.nn.functional.conv2d(torch.ones(1, 2, 8, 8), WEIGHT))
        )
    assert [o.name for o in operators if o.name != "aten::ones"] == ["aten::conv2d", "aten::relu"]
    convolution = next(o for o in operators if o.name == "aten::conv2d")
    assert [c.name for c in convolution.children] == ["aten::convolution"]
    assert convolution.input_shapes[:2] == ((1, 2, 8, 8), (3, 2, 3, 3))
    assert 0 < convolution.children[0].time_s <= convolution.time_s
    assert count > len(operators)


def test_very_many_operators_are_profiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.backends.torch_kernels._MOST_OPERATORS", 1)
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        torch.relu(torch.ones(8)).sum()

    found = executed_kernels(run)
    # To warm up, for oneDNN's log, and once under the profiler.
    assert calls == 3
    assert all(k.time_s is not None for k in found)


_PROFILE = """
import os, torch
from hwnas.backends.torch_profile import profiled_operators
for _ in range(2):
    profiled_operators(lambda: torch.zeros(2).exp())
print("KINETO_LOG_LEVEL" in os.environ)
"""


@pytest.mark.parametrize("chosen", [None, "5"])
def test_the_profiler_writes_no_log_that_nobody_has_asked_for(chosen: str | None) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "KINETO_LOG_LEVEL"}
    if chosen is not None:
        environment["KINETO_LOG_LEVEL"] = chosen
    done = subprocess.run(
        [sys.executable, "-c", _PROFILE], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(chosen is not None)
    if chosen is None:
        assert done.stderr == ""
