"""The memory traffic of PyTorch: its operators on tensors without data, so that nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hwnas.core.dataflow import Buffer, Dataflow, Role, Step

_FLOAT_BYTES = 4

#: Operators that give memory without touching it.
_ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")

#: Below this many input elements, and at this batch, PyTorch prefers its own convolution for one image.
_SMALL_INPUT = 20480
_LARGE_BATCH = 16


@dataclass(frozen=True)
class TorchConvolutions:
    """How a PyTorch arm runs its convolutions.

    Args:
        onednn: Whether oneDNN is enabled.
        reorders_activations: Whether plain tensors are copied to oneDNN's blocked layout and back around
            each convolution.
        reorders_weights: Whether weights are, in every call.
        threads: Intra-op threads.
    """

    onednn: bool
    reorders_activations: bool
    reorders_weights: bool
    threads: int

    @property
    def blocked_tensors(self) -> bool:
        """Whether tensors are oneDNN's own, for which PyTorch has no other convolution."""
        return self.onednn and not (self.reorders_activations or self.reorders_weights)

    def uses_onednn(
        self, x: torch.Tensor, weight: torch.Tensor, strides: Any, dilations: Any, groups: int
    ) -> bool:
        """PyTorch's choice for a float32 convolution on the CPU.

        Source: ``ConvParams::use_mkldnn`` in PyTorch's aten/src/ATen/native/Convolution.cpp: small single
        images, and pointwise convolutions of few images on one thread, run faster on its own kernels.
        A sequence counts as an image of height 1.
        """
        if not self.onednn or self.blocked_tensors:
            return self.onednn
        batch = x.shape[0]
        height, width = (1, *weight.shape[2:])[-2:]
        pointwise = height == 1 and width == 1
        worthwhile = (
            any(s != 1 for s in strides)
            or any(d != 1 for d in dilations)
            or batch >= _LARGE_BATCH
            or not pointwise
            or self.threads > 1
        )
        return worthwhile and (
            groups > 1 or (height > 3 and width > 3) or batch > 1 or x.numel() > _SMALL_INPUT
        )


def torch_dataflow(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], convolutions: TorchConvolutions
) -> Dataflow:
    """Buffers and steps of one eager inference.

    Args:
        module: In eval mode, on any device; it is not changed, and nothing is computed.
        inputs: Their shapes, strides and types count.
        convolutions: How the arm runs them.
    """
    recorder = _Recorder(convolutions)
    named = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    constants = {name: recorder.adopt(tensor, "weight") for name, tensor in named}
    given = tuple(recorder.adopt(tensor, "input") for tensor in inputs)
    # Not inference mode, in which operators that are made of others would stay whole.
    with torch.no_grad(), recorder:
        result = torch.func.functional_call(module, constants, given)
    return recorder.finish(result)


class _Recorder(TorchDispatchMode):
    """Writes down what every operator reads, writes and lets go."""

    def __init__(self, convolutions: TorchConvolutions) -> None:
        super().__init__()
        self._convolutions = convolutions
        self._buffers: list[Buffer] = []
        self._steps: list[Step] = []
        self._index: dict[int, int] = {}
        self._alive: dict[int, StorageWeakRef] = {}
        self._adopted: dict[int, torch.Tensor] = {}

    def adopt(self, tensor: torch.Tensor, role: Role) -> torch.Tensor:
        """The tensor without its data; one that is shared stays shared."""
        if id(tensor) not in self._adopted:
            meta = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
            self._number(meta, role)
            self._adopted[id(tensor)] = meta
        return self._adopted[id(tensor)]

    def _buffer(self, size: int, role: Role = "temporary") -> int:
        self._buffers.append(Buffer(size, role))
        return len(self._buffers) - 1

    def _number(self, tensor: torch.Tensor, role: Role = "temporary") -> int:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._index:
            self._index[key] = self._buffer(storage.nbytes(), role)
            self._alive[key] = StorageWeakRef(storage)
        return self._index[key]

    def _free_the_dead(self) -> None:
        """What lost its last owner since the previous operator goes with that operator."""
        freed = []
        for key in [k for k, reference in self._alive.items() if reference.expired()]:
            # The address may serve another tensor from now on.
            del self._alive[key]
            freed.append(self._index.pop(key))
        if freed and self._steps:
            self._steps[-1] = replace(self._steps[-1], frees=(*self._steps[-1].frees, *freed))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self._free_the_dead()
        kwargs = kwargs or {}
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        reads = tuple(dict.fromkeys(self._number(t) for t in given))
        result = func(*args, **kwargs)
        made = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.numel()]
        name = func._schema.name.removeprefix("aten::")
        if name == "native_batch_norm":
            # Statistics of the batch are empty on a CPU in eval mode, and are not on tensors without data.
            del made[1:]
        fresh = tuple(dict.fromkeys(i for i in map(self._number, made) if i not in reads))
        if func is torch.ops.aten.convolution.default:
            self._convolution(args, reads, fresh)
        elif fresh and name not in _ALLOCATIONS:
            self._steps.append(Step(name, name, reads, fresh))
        elif func._schema.is_mutable and torch.Tag.inplace_view not in func.tags:
            # In place: what it returns is what it was given.
            self._steps.append(Step(name, name, reads, (self._number(made[0]) if made else reads[0],)))
        # Anything else allocates or is a view.
        return result

    def _convolution(self, args: tuple[Any, ...], reads: tuple[int, ...], written: tuple[int, ...]) -> None:
        x, weight, _, strides, _, dilations, transposed, _, groups = args
        source, kernel, *bias = reads
        settings = self._convolutions
        if not settings.uses_onednn(x, weight, strides, dilations, groups):
            if transposed:
                self._native_transposed_convolution(x, weight, groups, reads, written)
            else:
                self._native_convolution(x, weight, reads, written)
            return
        name = "convolution"
        temporary = []
        if settings.reorders_activations:
            source = self._copy(source, math.prod(x.shape) * _FLOAT_BYTES, "layout reorder", name)
            temporary.append(source)
        if settings.reorders_weights:
            kernel = self._copy(kernel, math.prod(weight.shape) * _FLOAT_BYTES, "weight reorder", name)
            temporary.append(kernel)
        if not settings.reorders_activations:
            self._steps.append(
                Step(name, name, (source, kernel, *bias), written, tuple(temporary), source=name)
            )
            return
        blocked = self._buffer(self._buffers[written[0]].size)
        self._add(name, (source, kernel, *bias), (blocked,), tuple(temporary))
        self._steps.append(Step("reorder", "layout reorder", (blocked,), written, (blocked,), source=name))

    def _add(
        self, name: str, reads: tuple[int, ...], writes: tuple[int, ...], frees: tuple[int, ...] = ()
    ) -> None:
        self._steps.append(Step(name, name, reads, writes, frees, source=name))

    def _copy(self, index: int, size: int, type_: str, source: str) -> int:
        copy = self._buffer(size)
        self._steps.append(Step("reorder", type_, (index,), (copy,), source=source))
        return copy

    def _native_convolution(
        self, x: torch.Tensor, weight: torch.Tensor, reads: tuple[int, ...], written: tuple[int, ...]
    ) -> None:
        """PyTorch's own: a matrix product, of the columns of the input where the kernel is larger than a point.

        Source: ``slow_conv2d_forward`` in PyTorch's aten/src/ATen/native/ConvolutionMM2d.cpp.
        """
        name = "convolution"
        source, *others = reads
        taps = math.prod(weight.shape[2:])
        if taps == 1:
            self._add(name, reads, written)
            return
        pixels = self._buffers[written[0]].size // (_FLOAT_BYTES * max(1, weight.shape[0]))
        columns = self._buffer(pixels * x.shape[1] * taps * _FLOAT_BYTES)
        self._steps.append(Step("im2col", "im2col", (source,), (columns,), source=name))
        self._add(name, (columns, *others), written, (columns,))

    def _native_transposed_convolution(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        groups: int,
        reads: tuple[int, ...],
        written: tuple[int, ...],
    ) -> None:
        """The other way round: the product gives columns, which are summed up into the output.

        Source: ``slow_conv_transpose2d_out_cpu_template`` in PyTorch's
        aten/src/ATen/native/NaiveConvolutionTranspose2d.cpp.
        """
        name = "convolution"
        pixels = x.shape[0] * math.prod(x.shape[2:])
        columns = self._buffer(pixels * weight.shape[1] * groups * math.prod(weight.shape[2:]) * _FLOAT_BYTES)
        self._add(name, reads[:2], (columns,), ())
        self._steps.append(Step("col2im", "col2im", (columns, *reads[2:]), written, (columns,), source=name))

    def finish(self, result: Any) -> Dataflow:
        """The recorded dataflow; `result` keeps the outputs alive until here."""
        self._free_the_dead()
        return Dataflow(tuple(self._buffers), tuple(self._steps), "heap")
