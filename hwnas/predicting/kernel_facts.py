"""What a kernel computes and moves, from what its runtime tells of it: what its time is learned from."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hwnas.cache_misses.operators import CONVOLUTION, operator_kind
from hwnas.core.kernel import Kernel
from hwnas.core.workload import canonical_json

_FLOAT_BYTES = 4
#: Products whose first argument is added to the result.
_BIAS_FIRST = ("addmm", "baddbmm", "addmv")
#: As OpenVINO writes them into the names of primitives.
_INSTRUCTION_SETS = re.compile(r"_(sse41|sse42|avx2|avx512|avx|amx|sve|asimd|neon)(_core)?(?=_|$)")
_MATRIX_PRODUCT = "matrix product"

#: Types that differ in that their result goes where their input was, and so in nothing that takes time.
_IN_PLACE = "_"


@dataclass(frozen=True)
class KernelFacts:
    """One kernel, as far as its latency depends on it.

    Args:
        type: The runtime's operator type, without the mark of in-place variants.
        kind: What it is for; see :func:`hwnas.cache_misses.operators.operator_kind`.
        route: Which implementation runs: the runtime's name of the primitive, or ``onednn`` and ``native``
            where only that is known without running it.
        inputs: Shapes of all inputs, weights included.
        output: Shape of the first output; that of the first input where the runtime does not tell.
        stride: Of a convolution or pooling; ``(1, 1)`` elsewhere.
        padding: Likewise; ``(0, 0)`` elsewhere.
        dilation: Likewise; ``(1, 1)`` elsewhere.
        groups: Of a convolution; 1 elsewhere.
        window: Height and width of a convolution's or pooling's window; ``(1, 1)`` elsewhere.
        fused: Operators of the network that run in this kernel.
        layout: Of the output, where the runtime tells.
        misses: Cache geometry -> modelled misses in place, where they were modelled.
    """

    type: str
    kind: str
    route: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    window: tuple[int, int] = (1, 1)
    fused: int = 0
    layout: str = ""
    misses: Mapping[str, float] | None = None

    @classmethod
    def of(cls, kernel: Kernel) -> KernelFacts:
        """Read a kernel's facts; what its runtime does not tell takes the neutral value."""
        given = kernel.attributes
        inputs = tuple(tuple(int(d) for d in shape) for shape in given.get("input_shapes", ()))
        if kernel.type in _BIAS_FIRST and len(inputs) == 3:
            inputs = (*inputs[1:], inputs[0])
        kind = operator_kind(kernel.type)
        stride, dilation = _pair(given.get("stride"), 1), _pair(given.get("dilation"), 1)
        padding = _pair(given.get("padding"), 0)
        groups = int(given.get("groups", 1))
        window = _pair(given.get("kernel"), 1)
        if kind == CONVOLUTION and len(inputs) > 1 and len(inputs[1]) >= 3:
            window = _pair(inputs[1][-2:] if len(inputs[1]) > 3 else (1, inputs[1][-1]), 1)
        outputs = given.get("output_shapes") or ()
        output = tuple(int(d) for d in outputs[0]) if outputs else ()
        if not output and inputs:
            output = _output_shape(kernel.type, kind, inputs, stride, padding, dilation, window)
        return cls(
            type=kernel.type.strip(_IN_PLACE),
            kind=kind,
            route=route_of(kernel),
            inputs=inputs,
            output=output,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            window=window,
            fused=len(kernel.fused),
            layout=kernel.layout or "",
            misses=given.get("llc_misses"),
        )

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits, equal for kernels that do the same work in the same way."""
        fields = (self.type, self.route, self.inputs, self.output, self.stride, self.padding, self.dilation)
        text = canonical_json([*fields, self.groups, self.window, self.fused, self.layout])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def depthwise(self) -> bool:
        """Whether every group of a convolution has one input channel."""
        return self.groups > 1 and self.groups == self.channels_in

    @property
    def category(self) -> str:
        """Kernels that are learned together; another host's run them on other instruction sets."""
        shape = ""
        if self.kind == CONVOLUTION:
            form = "depthwise" if self.depthwise else "grouped" if self.groups > 1 else ""
            form = form or ("pointwise" if self.window == (1, 1) else "spatial")
            shape = f" {form}"
        return f"{self.type}{shape} {_INSTRUCTION_SETS.sub('', self.route)}".strip()

    @property
    def batch(self) -> int:
        """Images; 1 where there is no first input."""
        return self.inputs[0][0] if self.inputs and self.inputs[0] else 1

    @property
    def channels_in(self) -> int:
        """Of the first input."""
        return self.inputs[0][1] if self.inputs and len(self.inputs[0]) > 1 else 1

    @property
    def channels_out(self) -> int:
        """Of the output."""
        return self.output[1] if len(self.output) > 1 else 1

    @property
    def pixels_out(self) -> int:
        """Positions of one channel of the output."""
        return math.prod(self.output[2:])

    @cached_property
    def macs(self) -> int:
        """Multiply-adds of convolutions and matrix products; 0 elsewhere."""
        if self.kind == CONVOLUTION and len(self.inputs) > 1:
            per_output = self.channels_in // max(1, self.groups) * math.prod(self.window)
            return math.prod(self.output) * per_output
        if self.kind == _MATRIX_PRODUCT and self.inputs and self.inputs[0]:
            return math.prod(self.output) * self.inputs[0][-1]
        return 0

    @property
    def _has_weights(self) -> bool:
        return self.kind in (CONVOLUTION, _MATRIX_PRODUCT) and len(self.inputs) > 1

    @cached_property
    def weight_bytes(self) -> int:
        """Of a convolution's or matrix product's weights."""
        return _FLOAT_BYTES * math.prod(self.inputs[1]) if self._has_weights else 0

    @cached_property
    def input_bytes(self) -> int:
        """Of all inputs but the weights."""
        others = (s for i, s in enumerate(self.inputs) if not (i == 1 and self._has_weights))
        return _FLOAT_BYTES * sum(math.prod(s) for s in others if s)

    @cached_property
    def output_bytes(self) -> int:
        """Of the first output."""
        return _FLOAT_BYTES * math.prod(self.output) if self.output else 0

    @property
    def bytes(self) -> int:
        """What has to be read and written once."""
        return self.input_bytes + self.weight_bytes + self.output_bytes


def route_of(kernel: Kernel) -> str:
    """The implementation as far as a listing without a run knows it as well: of PyTorch, whether oneDNN runs a
    convolution."""
    name = kernel.implementation
    if name.startswith(("onednn:", "aten::")):
        onednn = name.startswith("onednn:") or "mkldnn" in name
        return ("onednn" if onednn else "native") if operator_kind(kernel.type) == CONVOLUTION else ""
    return name


def _pair(value: Any, default: int) -> tuple[int, int]:
    """Height and width of what a runtime gives as one number, as one a dimension, or not at all."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        numbers = [int(v) for v in value]
        return (numbers[-2], numbers[-1]) if len(numbers) > 1 else (default, numbers[0])
    return default, default


def _output_shape(
    type_: str,
    kind: str,
    inputs: tuple[tuple[int, ...], ...],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    window: tuple[int, int],
) -> tuple[int, ...]:
    """What a runtime that tells inputs alone writes: known for convolutions and products, else as the input."""
    first = inputs[0]
    if kind == CONVOLUTION and len(inputs) > 1 and len(first) == 4:
        pixels = (
            (size + 2 * pad - far * (reach - 1) - 1) // step + 1
            for size, pad, far, reach, step in zip(first[2:], padding, dilation, window, stride, strict=True)
        )
        return first[0], inputs[1][0], *(max(1, p) for p in pixels)
    if kind == _MATRIX_PRODUCT and len(inputs) > 1 and inputs[1]:
        # A linear layer holds its weights as (out, in), every other product as (in, out).
        return *first[:-1], inputs[1][0] if type_ == "linear" else inputs[1][-1]
    return max(inputs, key=math.prod, default=first)
