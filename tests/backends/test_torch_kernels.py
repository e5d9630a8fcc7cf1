"""From a profile's nested operators to the one that did the work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hwnas.backends.torch_kernels import _working_operator


def event(name: str, time: float, *children: Any) -> Any:
    return SimpleNamespace(name=f"aten::{name}", cpu_time_total=time, cpu_children=list(children))


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
