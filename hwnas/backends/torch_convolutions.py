"""How eager PyTorch runs a convolution on the CPU: on which kernels, with which copies around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.backends.flow_builder import FlowBuilder
from hwnas.backends.onednn_layouts import BlockedLayout, blocked_layout

_TYPE = "convolution"

#: Below this many input elements, and at this batch, PyTorch prefers its own convolution for one image.
_SMALL_INPUT = 20480
_LARGE_BATCH = 16

#: Dimensions of tensors of images, with batch and channels, and of the weights of their convolutions.
_IMAGES = 4


@dataclass(frozen=True)
class Convolution:
    """One call of ``aten::convolution``, with the buffers that it touches.

    Args:
        input_shape: ``(batch, channels, *pixels)``.
        weight_shape: ``(out, in / groups, *kernel)``; ``(in, out / groups, *kernel)`` where transposed.
        output_shape: ``(batch, channels, *pixels)``.
        strides: One a spatial dimension.
        paddings: One a spatial dimension.
        dilations: One a spatial dimension.
        transposed: Whether it is a transposed convolution.
        groups: Number of groups.
        element_bytes: Of all tensors.
        source: Buffers of the input: the whole, or parts of one.
        kernel: Buffer of the weights.
        bias: Buffer of the bias, or none.
        written: Buffer of the output.
        output_paddings: Of a transposed one, one a spatial dimension.
    """

    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    strides: Sequence[int]
    paddings: Sequence[int]
    dilations: Sequence[int]
    transposed: bool
    groups: int
    element_bytes: int
    source: tuple[int, ...]
    kernel: int
    bias: tuple[int, ...]
    written: int
    output_paddings: Sequence[int] = ()

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return math.prod(self.weight_shape[2:])

    @property
    def dilated(self) -> bool:
        """Whether the kernel leaves pixels out."""
        return any(d != 1 for d in self.dilations)

    def bytes_of(self, *shape: int) -> int:
        """Bytes of a tensor of this shape."""
        return math.prod(shape) * self.element_bytes


@dataclass(frozen=True)
class TorchConvolutions:
    """How a PyTorch arm runs its convolutions.

    Args:
        onednn: Whether oneDNN is enabled.
        reorders_activations: Whether plain tensors are copied to oneDNN's blocked layout and back around
            each convolution.
        reorders_weights: Whether weights are, in every call.
        threads: Intra-op threads.
        vector_floats: Floats of one register of oneDNN's kernels.
        dilated_onednn: Whether oneDNN may have the dilated ones.
    """

    onednn: bool
    reorders_activations: bool
    reorders_weights: bool
    threads: int
    vector_floats: int
    dilated_onednn: bool = True

    @property
    def blocked_tensors(self) -> bool:
        """Whether tensors are oneDNN's own, for which PyTorch has no other convolution."""
        return self.onednn and not (self.reorders_activations or self.reorders_weights)

    def uses_onednn(self, c: Convolution) -> bool:
        """PyTorch's choice for a float32 convolution on the CPU.

        Source: ``ConvParams::use_mkldnn`` in PyTorch's aten/src/ATen/native/Convolution.cpp: small single
        images, and pointwise convolutions of few images on one thread, run faster on its own kernels.
        A sequence counts as an image of height 1.
        """
        if not self.onednn or self.blocked_tensors:
            return self.onednn
        if c.transposed and any(o >= s for o, s in zip(c.output_paddings, c.strides, strict=False)):
            return False
        # The arm that keeps dilated convolutions from oneDNN does so with those of images alone.
        if c.dilated and not self.dilated_onednn and not c.transposed and len(c.weight_shape) == _IMAGES:
            return False
        batch = c.input_shape[0]
        height, width = (1, *c.weight_shape[2:])[-2:]
        pointwise = height == 1 and width == 1
        worthwhile = (
            any(s != 1 for s in c.strides)
            or c.dilated
            or batch >= _LARGE_BATCH
            or not pointwise
            or self.threads > 1
        )
        return (
            worthwhile
            and (
                c.groups > 1
                or (height > 3 and width > 3)
                or batch > 1
                # Of volumes it takes the depth and height alone into account.
                or math.prod(c.input_shape[:_IMAGES]) > _SMALL_INPUT
            )
        )

    def lower(self, c: Convolution, flow: FlowBuilder) -> None:
        """Add the steps of a convolution."""
        if self.uses_onednn(c):
            self._onednn(c, flow)
        elif c.transposed:
            _native_transposed(c, flow)
        else:
            _native(c, flow)

    def _onednn(self, c: Convolution, flow: FlowBuilder) -> None:
        source, kernel = c.source, c.kernel
        temporary: list[int] = []

        def reordered(type_: str, of: tuple[int, ...], *shape: int) -> int:
            copy = flow.buffer(c.bytes_of(*shape))
            flow.step(type_, of, (copy,), source=_TYPE)
            temporary.append(copy)
            return copy

        layout = self._layout(c)
        if self.reorders_activations and layout.input_channels is not None:
            batch, _, *pixels = c.input_shape
            source = (reordered("layout reorder", source, batch, layout.input_channels, *pixels),)
        if self.reorders_weights and layout.weight_shape is not None:
            kernel = reordered("weight reorder", (kernel,), *layout.weight_shape)
        reads = (*source, kernel, *c.bias)
        if not self.reorders_activations:
            flow.step(_TYPE, reads, (c.written,), temporary, source=_TYPE)
            return
        batch, _, *pixels = c.output_shape
        blocked = flow.buffer(c.bytes_of(batch, layout.output_channels, *pixels))
        flow.step(_TYPE, reads, (blocked,), temporary, source=_TYPE)
        flow.step("layout reorder", (blocked,), (c.written,), (blocked,), source=_TYPE)

    def _layout(self, c: Convolution) -> BlockedLayout:
        if self.reorders_activations and not c.transposed:
            return blocked_layout(c.input_shape[1], c.weight_shape, c.groups, self.vector_floats)
        return BlockedLayout(c.input_shape[1], c.weight_shape, c.output_shape[1])


def _native(c: Convolution, flow: FlowBuilder) -> None:
    """PyTorch's own: a matrix product, of the columns of the input unless these are the input itself.

    Groups run one after the other on copies of their channels, and are put together at the end. A dilated
    one always makes columns, image by image.

    Source: ``_convolution`` and ``subtensor`` in PyTorch's aten/src/ATen/native/Convolution.cpp,
    ``slow_conv2d_forward`` and ``compute_columns2d`` in aten/src/ATen/native/ConvolutionMM2d.cpp,
    ``slow_conv_dilated_all_cpu_template`` in aten/src/ATen/native/NaiveDilatedConvolution.cpp.
    """
    batch, channels, *_ = c.input_shape
    _, out, *pixels = c.output_shape
    plain = c.taps == 1 and all(s == 1 for s in c.strides) and not any(c.paddings)
    columns_bytes = c.bytes_of(batch, channels // c.groups, c.taps, *pixels)
    results = []
    for group in range(c.groups):
        written = c.written
        if c.groups > 1:
            written = flow.buffer(c.bytes_of(batch, out // c.groups, *pixels))
            results.append(written)
        source, copies = _group_input(c, group, flow)
        kernel = _group_weight(c, group, flow)
        if c.dilated:
            _native_dilated(c, source, kernel, written, flow)
            flow.free(copies)
        elif plain:
            flow.step(_TYPE, (*source, kernel, *c.bias), (written,), copies, source=_TYPE)
        else:
            columns = flow.buffer(columns_bytes)
            flow.step("im2col", source, (columns,), source=_TYPE)
            flow.step(_TYPE, (columns, kernel, *c.bias), (written,), (columns, *copies), source=_TYPE)
    if results:
        flow.step("cat", results, (c.written,), results, source=_TYPE)


def _native_dilated(
    c: Convolution, source: tuple[int, ...], kernel: int, written: int, flow: FlowBuilder
) -> None:
    """One group: the images share a buffer of columns."""
    batch, channels, *_ = c.input_shape
    _, out, *pixels = c.output_shape
    columns = flow.buffer(c.bytes_of(channels // c.groups, c.taps, *pixels))
    image = c.bytes_of(out // c.groups, *pixels)
    for number in range(batch):
        target = flow.part(written, number * image, image)
        flow.step("im2col", _image(c, source, number, flow), (columns,), source=_TYPE)
        flow.step(_TYPE, (columns, kernel, *c.bias), (target,), source=_TYPE)
    flow.free((columns,))


def _native_transposed(c: Convolution, flow: FlowBuilder) -> None:
    """The other way round: the product gives columns, which are summed up into the output.

    Source: ``slow_conv_transpose2d_out_cpu_template`` in PyTorch's
    aten/src/ATen/native/NaiveConvolutionTranspose2d.cpp; it takes image by image.
    """
    batch, _, *pixels = c.input_shape
    _, out, *out_pixels = c.output_shape
    own = c.weight_shape[1]
    results = []
    for group in range(c.groups):
        written = c.written
        if c.groups > 1:
            written = flow.buffer(c.bytes_of(batch, own, *out_pixels))
            results.append(written)
        source, copies = _group_input(c, group, flow)
        kernel = _group_weight(c, group, flow)
        columns = flow.buffer(c.bytes_of(own, c.taps, *pixels))
        image = c.bytes_of(out // c.groups, *out_pixels)
        for number in range(batch):
            target = flow.part(written, number * image, image)
            flow.step(_TYPE, (*_image(c, source, number, flow), kernel), (columns,), source=_TYPE)
            flow.step("col2im", (columns, *c.bias), (target,), source=_TYPE)
        flow.free((columns, *copies))
    if results:
        flow.step("cat", results, (c.written,), results, source=_TYPE)


def _image(c: Convolution, source: tuple[int, ...], number: int, flow: FlowBuilder) -> tuple[int, ...]:
    """The part of one image, of an input that is one buffer."""
    if len(source) > 1:
        return source
    size = flow.size(source[0]) // c.input_shape[0]
    return (flow.part(source[0], number * size, size),)


def _group_input(c: Convolution, group: int, flow: FlowBuilder) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The channels of a group, and the copy that had to be made of them: those of several images lie apart."""
    if c.groups == 1:
        return c.source, ()
    batch, channels, *pixels = c.input_shape
    size = c.bytes_of(channels // c.groups, *pixels)
    if len(c.source) > 1:
        places = c.source
    else:
        image = c.bytes_of(channels, *pixels)
        places = tuple(flow.part(c.source[0], n * image + group * size, size) for n in range(batch))
    if batch == 1:
        return places, ()
    copy = flow.buffer(batch * size)
    flow.step("contiguous", places, (copy,), source=_TYPE)
    return (copy,), (copy,)


def _group_weight(c: Convolution, group: int, flow: FlowBuilder) -> int:
    size = flow.size(c.kernel) // c.groups
    return flow.part(c.kernel, group * size, size)
