"""The memory traffic of PyTorch: its operators on tensors without data, so that nothing is computed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hwnas.backends.flow_builder import FlowBuilder
from hwnas.backends.torch_convolutions import Convolution, TorchConvolutions
from hwnas.core.dataflow import Dataflow, Role

#: Operators that give memory without touching it.
_ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")

#: A view in more pieces than this counts as everything between its ends: small pieces share lines.
_MOST_PIECES = 64


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
        self._flow = FlowBuilder()
        self._index: dict[int, int] = {}
        self._alive: dict[int, StorageWeakRef] = {}
        self._adopted: dict[int, torch.Tensor] = {}

    def adopt(self, tensor: torch.Tensor, role: Role) -> torch.Tensor:
        """The tensor without its data; one that is shared stays shared."""
        if id(tensor) not in self._adopted:
            meta = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
            self._whole(meta, role)
            self._adopted[id(tensor)] = meta
        return self._adopted[id(tensor)]

    def _whole(self, tensor: torch.Tensor, role: Role = "temporary") -> int:
        """The buffer in which a tensor lies."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._index:
            self._index[key] = self._flow.buffer(storage.nbytes(), role)
            self._alive[key] = StorageWeakRef(storage)
        return self._index[key]

    def _places(self, tensors: Iterable[torch.Tensor]) -> tuple[int, ...]:
        """What tensors occupy: whole buffers, or the parts that views show, each once."""
        found = dict.fromkeys(
            self._flow.part(self._whole(t), offset, size) for t in tensors for offset, size in _pieces(t)
        )
        return tuple(found)

    def _free_the_dead(self) -> None:
        """What lost its last owner since the previous operator goes with that operator."""
        freed = []
        for key in [k for k, reference in self._alive.items() if reference.expired()]:
            # The address may serve another tensor from now on.
            del self._alive[key]
            freed.append(self._index.pop(key))
        self._flow.free(freed)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self._free_the_dead()
        kwargs = kwargs or {}
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        reads = self._places(given)
        result = func(*args, **kwargs)
        made = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.numel()]
        name = func._schema.name.removeprefix("aten::")
        if name == "native_batch_norm":
            # Statistics of the batch are empty on a CPU in eval mode, and are not on tensors without data.
            del made[1:]
        old = {self._whole(t) for t in given}
        fresh = self._places(t for t in made if self._whole(t) not in old)
        if func is torch.ops.aten.convolution.default:
            self._convolutions.lower(self._convolution(args, made[0]), self._flow)
        elif fresh and name not in _ALLOCATIONS:
            self._flow.step(name, reads, fresh)
        elif func._schema.is_mutable and torch.Tag.inplace_view not in func.tags:
            # In place: what it returns is what it was given.
            self._flow.step(name, reads, self._places(made[:1] or given[:1]))
        # Anything else allocates or is a view.
        return result

    def _convolution(self, args: tuple[Any, ...], output: torch.Tensor) -> Convolution:
        x, weight, bias, strides, paddings, dilations, transposed, _, groups = args
        return Convolution(
            input_shape=tuple(x.shape),
            weight_shape=tuple(weight.shape),
            output_shape=tuple(output.shape),
            strides=strides,
            paddings=paddings,
            dilations=dilations,
            transposed=transposed,
            groups=groups,
            element_bytes=x.element_size(),
            source=self._places([x]),
            kernel=self._whole(weight),
            bias=() if bias is None else self._places([bias]),
            written=self._whole(output),
        )

    def finish(self, result: Any) -> Dataflow:
        """The recorded dataflow; `result` keeps the outputs alive until here."""
        self._free_the_dead()
        return self._flow.finish("heap")


def _pieces(tensor: torch.Tensor) -> list[tuple[int, int]]:
    """Offset and size [bytes] of what a tensor occupies in its storage."""
    item = tensor.element_size()
    start = int(tensor.storage_offset()) * item
    # Outermost first; what is expanded lies in memory once.
    sizes = zip(tensor.stride(), tensor.shape, strict=True)
    outer = sorted(((stride, n) for stride, n in sizes if n > 1 and stride > 0), reverse=True)
    if not tensor.numel():
        return []
    block = 1
    while outer and outer[-1][0] == block:
        block *= outer.pop()[1]
    if math.prod(n for _, n in outer) > _MOST_PIECES:
        return [(start, (sum(stride * (n - 1) for stride, n in outer) + block) * item)]
    steps = (range(0, stride * n, stride) for stride, n in outer)
    return [(start + sum(place) * item, block * item) for place in itertools.product(*steps)]
