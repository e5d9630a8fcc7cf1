"""The numbers that a kernel's time is learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwnas.predicting.kernel_facts import KernelFacts

#: Names of the columns of :func:`feature_matrix`, without those of cache misses.
FEATURES = (
    "log_macs",
    "log_input_bytes",
    "log_weight_bytes",
    "log_output_bytes",
    "log_bytes",
    "log_intensity",
    "batch",
    "channels_in",
    "channels_out",
    "group_channels_in",
    "group_channels_out",
    "height",
    "width",
    "window_height",
    "window_width",
    "stride",
    "dilation",
    "groups",
    "in_vector_rest",
    "out_vector_rest",
    "inputs",
    "fused",
    "cheap_functions",
    "exponential_functions",
    "error_functions",
    "window_work",
)

#: Sizes up to so many times as large as in training are in range.
_REACH = 1.5

#: Floats in the widest vector registers in use; kernels pad channels to them.
_VECTOR = 16

#: Fused functions that take an instruction or two a value, and those that take more than an exponential.
_CHEAP = ("Relu", "PRelu", "Clamp", "HSwish", "HSigmoid")
_COSTLY = ("Gelu", "Erf", "Mish")


def feature_names(geometries: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of :func:`feature_matrix`."""
    return (*FEATURES, *(f"log_misses@{g}" for g in geometries))


def feature_matrix(kernels: Sequence[KernelFacts], geometries: Sequence[str] = ()) -> np.ndarray:
    """Features of kernels.

    Args:
        kernels: ``n`` of them.
        geometries: Caches whose modelled misses are features; a kernel without them has -1 there.

    Returns:
        Shape ``(n, len(feature_names(geometries)))``, float64.
    """
    rows = [_row(k, geometries) for k in kernels]
    return np.array(rows, dtype=float).reshape(len(rows), len(feature_names(geometries)))


def range_slack(columns: int) -> np.ndarray:
    """How far beyond the training's features a kernel may lie and still be in range.

    Args:
        columns: Of the feature matrix, misses included.

    Returns:
        Shape ``(columns,)``: sizes may be half as large again, batches, windows, strides and dilations are
        within those seen, and what follows from sizes is free.
    """
    slack = np.full(columns, np.inf)
    for place, name in enumerate(FEATURES):
        if (name.startswith("log_") and name != "log_intensity") or name == "window_work":
            slack[place] = math.log(_REACH)
        elif name in ("batch", "window_height", "window_width", "stride", "dilation"):
            slack[place] = 0.0
    return slack


def _row(k: KernelFacts, geometries: Sequence[str]) -> list[float]:
    groups = max(1, k.groups)
    height, width = (1, 1, *k.output[2:])[-2:]
    misses = k.misses or {}
    return [
        math.log1p(k.macs),
        math.log1p(k.input_bytes),
        math.log1p(k.weight_bytes),
        math.log1p(k.output_bytes),
        math.log1p(k.bytes),
        math.log1p(k.macs / max(1, k.bytes)),
        k.batch,
        k.channels_in,
        k.channels_out,
        k.channels_in / groups,
        k.channels_out / groups,
        height,
        width,
        k.window[0],
        k.window[1],
        max(k.stride),
        max(k.dilation),
        k.groups,
        k.channels_in // groups % _VECTOR,
        k.channels_out // groups % _VECTOR,
        len(k.inputs),
        k.fused,
        sum(a in _CHEAP for a in k.activations),
        sum(a not in _CHEAP and a not in _COSTLY for a in k.activations),
        sum(a in _COSTLY for a in k.activations),
        math.log1p(math.prod(k.output) * math.prod(k.window)),
        *(math.log1p(misses[g]) if g in misses else -1.0 for g in geometries),
    ]
