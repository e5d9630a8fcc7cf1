"""What a kernel computes and moves, from what its runtime tells of it: what its time is learned from."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hwnas.cache_misses.operators import CONVOLUTION, operator_kind
from hwnas.core.kernel import Kernel
from hwnas.core.workload import canonical_json
from hwnas.predicting.window import Window, dimensions_of, tells_dimensions

_FLOAT_BYTES = 4
#: Products whose first argument is added to the result.
_BIAS_FIRST = ("addmm", "baddbmm", "addmv")
#: Kinds of convolutions; those of a group of one channel each are depthwise.
CONVOLUTION_FORMS = ("pointwise", "spatial", "depthwise", "grouped")
#: As OpenVINO writes them into the names of primitives.
_INSTRUCTION_SETS = re.compile(r"_(sse41|sse42|avx2|avx512|avx|amx|sve|asimd|neon)(_core)?(?=_|$)")
#: PyTorch's operators that put tensors one behind the other.
_JOINING = ("cat", "concat")
_MATRIX_PRODUCT, _POOLING = "matrix product", "pooling"
#: OpenVINO calls both poolings one type; the operators that run in the kernel tell them apart.
_POOLED_BY = re.compile(r"/(MaxPool|AvgPool)(?:_\d+)?$")

#: Types that differ in that their result goes where their input was, and so in nothing that takes time.
_IN_PLACE = "_"

_TRANSPOSED = re.compile(r"transpose|deconvolution|backprop", re.IGNORECASE)

#: Operators that hold an attention, in lower case without underscores: PyTorch's with the linear layers around
#: it, or with a whole layer of a transformer; and that of both runtimes.
_WITH_LAYERS = ("nativemultiheadattention", "transformerencoderlayerfwd")
_ATTENTION = "scaleddotproductattention"

#: Functions that a runtime applies to a result before it writes it, as OpenVINO ends the names of fused
#: operators: ``silu_4/aten.silu.default/Swish``.
_APPLIED = re.compile(
    r"/(Relu|PRelu|Clamp|HSwish|HSigmoid|Swish|Sigmoid|Tanh|Elu|Gelu|Erf|Mish|SoftPlus|Exp)(?:_\d+)?$"
)


@dataclass(frozen=True)
class KernelFacts:
    """One kernel, as far as its latency depends on it.

    Args:
        type: The runtime's operator type, without the mark of in-place variants, with the dimensions of
            convolutions and poolings that are not of images, and ``MaxPool`` or ``AvgPool`` where it tells.
        kind: What it is for; see :func:`hwnas.cache_misses.operators.operator_kind`.
        route: Which implementation runs: the runtime's name of the primitive, or ``onednn`` and ``native``
            where only that is known without running it.
        inputs: Shapes of all inputs, weights included.
        output: Shape of the first output; that of the first input where the runtime does not tell.
        stride: Of a convolution or pooling, one a dimension; a sequence counts as an image of height 1.
            ``(1, 1)`` elsewhere.
        padding: Likewise; ``(0, 0)`` elsewhere.
        dilation: Likewise; ``(1, 1)`` elsewhere.
        groups: Of a convolution; 1 elsewhere.
        window: Likewise; ``(1, 1)`` elsewhere.
        transposed: Whether it is a transposed convolution.
        fused: Operators of the network that run in this kernel.
        activations: Functions among them that are applied to every value of the result, such as ``Swish``.
        constant: Whether it runs while the network is compiled, and never again.
        layout: Of the output, where the runtime tells.
        misses: Cache geometry -> modelled misses in place, where they were modelled.
    """

    type: str
    kind: str
    route: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    window: tuple[int, ...] = (1, 1)
    transposed: bool = False
    fused: int = 0
    activations: tuple[str, ...] = ()
    constant: bool = False
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
        type_ = kernel.type.strip(_IN_PLACE)
        if kind == _POOLING:
            type_ = next((m[1] for m in map(_POOLED_BY.search, kernel.fused) if m), type_)
        dimensions, groups = 2, int(given.get("groups", 1))
        if kind == CONVOLUTION or (kind == _POOLING and "pool" in type_.lower()):
            dimensions = dimensions_of(type_, inputs)
            if dimensions != 2 and not tells_dimensions(type_):
                type_ = f"{type_}{dimensions}d"
        if kind == CONVOLUTION and inputs and len(inputs[0]) == dimensions + 1:
            # PyTorch takes an image without its batch as well.
            inputs = ((1, *inputs[0]), *inputs[1:])
        window = Window.of(given, dimensions, inputs[1] if kind == CONVOLUTION and len(inputs) > 1 else ())
        transposed = kind == CONVOLUTION and _TRANSPOSED.search(type_) is not None
        outputs = given.get("output_shapes") or ()
        output = tuple(int(d) for d in outputs[0]) if outputs else ()
        if not output and inputs:
            output = _output_shape(type_, kind, inputs, window, transposed, groups)
            if kind == _POOLING and len(inputs[0]) == dimensions + 2:
                output = _pooled(inputs[0], window, given)
        return cls(
            type=type_,
            kind=kind,
            route=route_of(kernel),
            inputs=inputs,
            output=output,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=groups,
            window=window.size,
            transposed=transposed,
            fused=len(kernel.fused),
            activations=tuple(m[1] for m in map(_APPLIED.search, kernel.fused) if m),
            constant=bool(given.get("constant")),
            layout=kernel.layout or "",
            misses=given.get("llc_misses"),
        )

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits, equal for kernels that do the same work in the same way."""
        fields = (self.type, self.route, self.inputs, self.output, self.stride, self.padding, self.dilation)
        text = canonical_json([*fields, self.groups, self.window, self.fused, self.activations, self.layout])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def depthwise(self) -> bool:
        """Whether every group of a convolution has one input channel."""
        return self.groups > 1 and self.groups == self.channels_in

    @property
    def form(self) -> str:
        """Of a convolution one of :data:`CONVOLUTION_FORMS`; empty elsewhere."""
        if self.kind != CONVOLUTION:
            return ""
        if self.groups > 1:
            return "depthwise" if self.depthwise else "grouped"
        return "pointwise" if math.prod(self.window) == 1 else "spatial"

    @property
    def category(self) -> str:
        """Kernels that are learned together; another host's run them on other instruction sets."""
        shape = f" {self.form}" if self.form else ""
        return f"{self.type}{shape} {_INSTRUCTION_SETS.sub('', self.route)}".strip()

    @property
    def _size(self) -> int:
        """Dimensions that a window moves in."""
        return max(1, len(self.inputs[0]) - 2)

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

    @cached_property
    def macs(self) -> int:
        """Multiply-adds of convolutions, matrix products and whole attentions; 0 elsewhere."""
        if self.transposed and len(self.inputs) > 1:
            # Weights are (in, out / groups, *window), behind a dimension of groups where OpenVINO has one.
            written = self.inputs[1][-1 - self._size]
            return math.prod(self.inputs[0]) * written * math.prod(self.window)
        attention = _attention_macs(self.type, self.inputs)
        if attention:
            return attention
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


def _pooled(first: tuple[int, ...], window: Window, given: Mapping[str, Any]) -> tuple[int, ...]:
    """What a pooling makes of its input; sizes are rounded down."""
    size = given.get("output_size")
    if size is None:
        return *first[:2], *window.output(first[2:], transposed=False)
    wanted = size if isinstance(size, (list, tuple)) else [size] * (len(first) - 2)
    return *first[:2], *(int(w or had) for w, had in zip(wanted, first[2:], strict=False))


def _plain(type_: str) -> str:
    return type_.replace("_", "").lower()


def _attention_macs(type_: str, inputs: tuple[tuple[int, ...], ...]) -> int:
    """Multiply-adds of an operator that holds an attention; 0 for any other."""
    if _plain(type_) in _WITH_LAYERS and inputs and len(inputs[0]) == 3:
        batch, tokens, width = inputs[0]
        weights = sum(math.prod(shape) for shape in inputs if len(shape) == 2 and width in shape)
        return batch * tokens * (weights + 2 * tokens * width)
    if _plain(type_) == _ATTENTION and len(inputs) > 2 and min(map(len, inputs[:3])) > 1:
        query, key, value = inputs[:3]
        return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    return 0


def _output_shape(
    type_: str, kind: str, inputs: tuple[tuple[int, ...], ...], window: Window, transposed: bool, groups: int
) -> tuple[int, ...]:
    """What a runtime that tells inputs alone writes: known for convolutions and products, else as the input."""
    first = inputs[0]
    if kind == CONVOLUTION and len(inputs) > 1 and len(first) > 2 and len(inputs[1]) == len(first):
        channels = inputs[1][1] * groups if transposed else inputs[1][0]
        return first[0], channels, *window.output(first[2:], transposed=transposed)
    if kind == _MATRIX_PRODUCT and len(inputs) > 1 and inputs[1]:
        # A linear layer holds its weights as (out, in), every other product as (in, out).
        return *first[:-1], inputs[1][0] if type_ == "linear" else inputs[1][-1]
    if _plain(type_) in (*_WITH_LAYERS, _ATTENTION):
        return first
    if type_ in _JOINING and len({len(shape) for shape in inputs}) == 1:
        # Along the dimension in which they differ, or that of channels.
        place = next((i for i, sizes in enumerate(zip(*inputs, strict=True)) if len(set(sizes)) > 1), 1)
        if place < len(first):
            return *first[:place], sum(shape[place] for shape in inputs), *first[place + 1 :]
    return max(inputs, key=math.prod, default=first)
