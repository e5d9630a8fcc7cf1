"""Which channels of a network belong together, read off its operators.

The network runs once, on tensors without data. Every activation carries a label for each of its channels;
operators hand them on, join them, or fix them. An operator that is not known here fixes what it reads: its
channels are not pruned, and nothing is guessed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS
from hwnas.netadapt.channel_labels import ChannelLabels
from hwnas.netadapt.marks import along, compressed, fixed_mark, mark_along, varying
from hwnas.workloads.dry_run import run, tensors_in

#: A dimension of a parameter or buffer, by its name in the state dictionary.
Axis = tuple[str, int]

#: What a tensor's axis is to the channels: they are read, written, or lie along it (scales, depthwise kernels).
READ, WRITTEN, ALONG = "read", "written", "along"

_POINTWISE = re.compile(
    r"""
    add | sub | rsub | mul | div | maximum | minimum | pow | abs | neg | exp | sqrt | rsqrt
    | relu | relu6 | hardtanh | clamp (_min | _max)? | hardswish | hardsigmoid | silu | gelu | sigmoid
    | log_sigmoid | tanh | mish | elu | selu | celu | leaky_relu | softplus | native_dropout | dropout
    | clone | detach | alias | contiguous | _to_copy | lift_fresh
    """,
    re.VERBOSE,
)
_SAME = ("detach", "alias", "clone", "_to_copy", "contiguous", "lift_fresh")
_POOLING = re.compile(
    r"(_?adaptive_)?(avg|max)_pool[123]d(_with_indices)?|_?upsample_\w+[123]d\w*|(reflection|replication)_pad[123]d"
)
_NORMALISING = re.compile(r"(_?native_|cudnn_|_)?batch_norm\w*")
_REDUCING = ("mean", "sum", "amax", "amin")
_RESHAPING = ("view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy")
_MOVING = ("permute", "transpose", "t", "squeeze", "unsqueeze", "expand")
_CUTTING = ("slice", "select", "split", "split_with_sizes", "unbind")
_PADDING = "constant_pad_nd"


@dataclass(frozen=True)
class _Weight:
    """A parameter or buffer as an operator reads it.

    Args:
        name: In the state dictionary.
        order: Its own dimensions in the order in which they are read.
    """

    name: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class TracedChannels:
    """What a trace found.

    Args:
        labels: Their partition.
        axes: The labels along the axes of parameters and buffers, shape ``(size of the axis,)``.
        roles: What each axis is to them: :data:`READ`, :data:`WRITTEN` or :data:`ALONG`.
    """

    labels: ChannelLabels
    axes: Mapping[Axis, torch.Tensor]
    roles: Mapping[Axis, str]


def trace_channels(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> TracedChannels:
    """Run a network once and follow its channels.

    Args:
        network: In eval mode; it is not changed.
        inputs: Batch first.

    Raises:
        OutOfMemory: The network looks at values, and a real run did not fit.
        UsageError: It cannot run on these inputs.
    """
    shadow = copy.deepcopy(network).to("meta")
    given = tuple(torch.empty_like(t, device="meta") for t in inputs)
    try:
        trace = _Trace(shadow, given)
        with trace, torch.no_grad():
            outputs = shadow(*given)
    except FOREIGN_CODE_ERRORS:
        # Either the network needs values, or the inputs are wrong: the real run tells.
        trace = _Trace(network, inputs)
        with trace:
            outputs = run("the network", network, inputs)
    return trace.finished(outputs)


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator, and keeps what is known of its results."""

    def __init__(self, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._labels = ChannelLabels()
        self._axes: dict[Axis, torch.Tensor] = {}
        self._roles: dict[Axis, str] = {}
        # Tensors are kept, since an id may be given away again.
        self._known: dict[int, tuple[torch.Tensor, torch.Tensor | _Weight]] = {}
        for tensor in inputs:
            self._keep(tensor, fixed_mark(tensor.ndim))
        names: dict[int, list[str]] = {}
        own = {
            **dict(network.named_parameters(remove_duplicate=False)),
            **dict(network.named_buffers(remove_duplicate=False)),
        }
        for name, tensor in own.items():
            names.setdefault(id(tensor), []).append(name)
        for tensor_names in names.values():
            # One that several layers share cannot follow any of them.
            if len(tensor_names) == 1:
                tensor = own[tensor_names[0]]
                self._keep(tensor, _Weight(tensor_names[0], tuple(range(tensor.ndim))))

    def finished(self, outputs: Any) -> TracedChannels:
        """The whole result: what the network gives must stay as it is."""
        for tensor in tensors_in(outputs):
            self._fix(tensor)
        return TracedChannels(
            self._labels, {a: self._labels.roots(v) for a, v in self._axes.items()}, dict(self._roles)
        )

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = getattr(func, "overloadpacket", func)
        name = str(getattr(packet, "__name__", packet)).removesuffix("_")
        rule = self._rule(name)
        # Arguments by keyword are rare, and none of the rules reads them.
        readable = not any(isinstance(v, torch.Tensor) for v in (kwargs or {}).values())
        if rule is None or not readable or not rule(name, args, result):
            for tensor in (*tensors_in(list(args)), *tensors_in(kwargs or {})):
                self._fix(tensor)
            for tensor in tensors_in(result):
                # What neither an input nor a weight has a part in is a constant, and has no mark.
                if any(id(t) in self._known for t in tensors_in(list(args))):
                    self._keep(tensor, fixed_mark(tensor.ndim))
        return result

    def _rule(self, name: str) -> Callable[[str, Sequence[Any], Any], bool] | None:
        """What follows the channels through an operator; it tells whether it could."""
        if _POINTWISE.fullmatch(name):
            return self._pointwise
        if _POOLING.fullmatch(name):
            return self._pooling
        if _NORMALISING.fullmatch(name):
            return self._normalising
        rules = {
            **dict.fromkeys(("convolution", "_convolution"), self._convolution),
            **dict.fromkeys(("addmm", "mm", "linear"), self._linear),
            **dict.fromkeys(_REDUCING, self._reducing),
            **dict.fromkeys((*_RESHAPING, *_MOVING), self._moving),
            **dict.fromkeys(_CUTTING, self._cutting),
            "cat": self._joining,
            _PADDING: self._padding,
        }
        return rules.get(name)

    # What is known of tensors.

    def _keep(self, tensor: torch.Tensor, known: torch.Tensor | _Weight) -> bool:
        self._known[id(tensor)] = (tensor, known)
        return True

    def _mark(self, tensor: Any) -> torch.Tensor | None:
        """Of an activation; None for weights and constants."""
        found = self._known.get(id(tensor))
        return found[1] if found and isinstance(found[1], torch.Tensor) else None

    def _weight(self, tensor: Any) -> _Weight | None:
        found = self._known.get(id(tensor))
        return found[1] if found and isinstance(found[1], _Weight) else None

    def _fix(self, tensor: torch.Tensor) -> None:
        mark = self._mark(tensor)
        if mark is not None:
            self._labels.fix(mark)

    def _channels(self, tensor: torch.Tensor, dim: int) -> torch.Tensor | None:
        mark = self._mark(tensor)
        return None if mark is None else along(mark, tensor.shape, dim % max(1, tensor.ndim))

    def _note(self, tensor: Any, dim: int, labels: torch.Tensor, role: str) -> None:
        """The labels along a dimension of a weight, as it is read; what is no plain weight fixes them."""
        weight = self._weight(tensor)
        if weight is None:
            self._labels.fix(labels)
            return
        axis = weight.name, weight.order[dim]
        if axis in self._axes:
            self._labels.join(self._axes[axis], labels)
        self._axes[axis] = labels
        self._roles[axis] = role

    # Rules: each hands the marks of what an operator reads on to what it gives.

    def _pointwise(self, name: str, args: Sequence[Any], result: Any) -> bool:
        read = list(tensors_in(list(args)))
        weights = [t for t in read if self._weight(t) is not None]
        if name in _SAME and weights:
            found = self._weight(weights[0])
            return found is not None and self._keep(result, found)
        whole: torch.Tensor | None = None
        result = next(tensors_in(result))
        for tensor in read:
            mark = self._mark(tensor)
            if mark is None:
                continue
            mark = mark.reshape((1,) * (result.ndim - mark.ndim) + tuple(mark.shape))
            if whole is not None:
                self._labels.join(whole, mark)
                whole, mark = torch.broadcast_tensors(whole, mark)
            else:
                whole = mark
        if whole is None:
            return True
        whole = compressed(self._labels.roots(whole))
        for tensor in read:
            if self._mark(tensor) is None:
                self._scaled(tensor, whole, result)
        return self._keep(result, whole)

    def _scaled(self, tensor: torch.Tensor, mark: torch.Tensor, result: torch.Tensor) -> None:
        """A pointwise operator combines marked values with a weight or a constant."""
        before = result.ndim - tensor.ndim
        wide = [dim for dim, size in enumerate(tensor.shape) if size > 1]
        touched = [dim for dim in wide if mark.shape[dim + before] > 1]
        if not touched:
            return
        labels = along(mark, result.shape, touched[0] + before)
        if len(wide) == 1 and labels is not None:
            self._note(tensor, wide[0], labels, ALONG)
        else:
            self._labels.fix(mark)

    def _convolution(self, name: str, args: Sequence[Any], result: Any) -> bool:
        x, weight, bias = args[:3]
        transposed, groups = bool(args[6]), int(args[8])
        read = self._channels(x, 1)
        if read is None or self._weight(weight) is None or transposed:
            return False
        count = weight.shape[0]
        if groups > 1 and groups == len(read):
            written, role = read.repeat_interleave(count // groups), ALONG
        else:
            written, role = self._labels.fresh(count), WRITTEN
            if groups > 1:
                # The same place in every group, so that groups keep equal sizes.
                for labels in (read, written):
                    rows = labels.reshape(groups, -1)
                    self._labels.join(rows, rows[:1])
            self._note(weight, 1, read[: weight.shape[1]], READ)
        self._note(weight, 0, written, role)
        if bias is not None:
            self._note(bias, 0, written, role)
        return self._keep(result, mark_along(written, result.ndim, 1))

    def _linear(self, name: str, args: Sequence[Any], result: Any) -> bool:
        bias = None
        if name == "addmm":
            bias, x, weight = args[:3]
        else:
            x, weight = args[:2]
            bias = args[2] if len(args) > 2 else None
        inner, outer = (1, 0) if name == "linear" else (0, 1)
        read = self._channels(x, -1)
        if read is None or self._weight(weight) is None:
            return False
        written = self._labels.fresh(result.shape[-1])
        self._note(weight, inner, read, READ)
        self._note(weight, outer, written, WRITTEN)
        if bias is not None:
            self._note(bias, 0, written, WRITTEN)
        return self._keep(result, mark_along(written, result.ndim, result.ndim - 1))

    def _normalising(self, name: str, args: Sequence[Any], result: Any) -> bool:
        channels = self._channels(args[0], 1)
        if channels is None:
            return False
        for tensor in args[1:5]:
            if isinstance(tensor, torch.Tensor):
                self._note(tensor, 0, channels, ALONG)
        first = next(tensors_in(result))
        return self._keep(first, mark_along(channels, first.ndim, 1))

    def _pooling(self, name: str, args: Sequence[Any], result: Any) -> bool:
        channels = self._channels(args[0], 1)
        if channels is None:
            return False
        for tensor in tensors_in(result):
            if tensor.ndim != args[0].ndim or tensor.shape[1] != len(channels):
                return False
            self._keep(tensor, mark_along(channels, tensor.ndim, 1))
        return True

    def _reducing(self, name: str, args: Sequence[Any], result: Any) -> bool:
        mark = self._mark(args[0])
        if mark is None:
            return not any(id(t) in self._known for t in tensors_in(list(args)))
        if len(args) < 2 or not args[1]:
            return False
        dims = sorted({int(dim) % mark.ndim for dim in args[1]}, reverse=True)
        if any(mark.shape[dim] > 1 for dim in dims):
            return False
        if result.ndim != mark.ndim:
            for dim in dims:
                mark = mark.squeeze(dim)
        return self._keep(result, mark)

    def _moving(self, name: str, args: Sequence[Any], result: Any) -> bool:
        weight = self._weight(args[0])
        if weight is not None:
            return self._moved_weight(name, args, weight, result)
        mark = self._mark(args[0])
        if mark is None:
            return True
        whole = mark.expand(args[0].shape)
        # A view of expanded labels need not be possible; a copy is.
        moved = (
            whole.reshape(args[1]) if name in _RESHAPING else getattr(torch.ops.aten, name)(whole, *args[1:])
        )
        return self._keep(result, self._evenly(compressed(self._labels.roots(moved))))

    def _moved_weight(self, name: str, args: Sequence[Any], weight: _Weight, result: Any) -> bool:
        places = torch.arange(args[0].ndim)
        if name == "t":
            order = places.flip(0).tolist()
        elif name == "transpose":
            order = places.tolist()
            one, other = args[1:3]
            order[one], order[other] = order[other], order[one]
        elif name == "permute":
            order = [dim % args[0].ndim for dim in args[1]]
        else:
            # A reshaped weight is none that could be pruned along with channels: what reads it stays.
            return True
        return self._keep(result, _Weight(weight.name, tuple(weight.order[dim] for dim in order)))

    def _evenly(self, mark: torch.Tensor) -> torch.Tensor:
        """Channels that were laid out as a table keep equal numbers in all of its rows."""
        for dim in varying(mark)[:-1]:
            self._labels.join(mark, mark.narrow(dim, 0, 1))
            mark = compressed(self._labels.roots(mark))
        return mark

    def _cutting(self, name: str, args: Sequence[Any], result: Any) -> bool:
        x = args[0]
        mark = self._mark(x)
        if mark is None:
            return self._weight(x) is None
        given = [a for a in args[1:] if a is not None]
        place = {"slice": 0, "select": 0, "unbind": 0}.get(name, 1)
        dim = (int(given[place]) if len(given) > place else 0) % x.ndim
        parts = list(tensors_in(result))
        if mark.shape[dim] == 1:
            for part in parts:
                gone = part.ndim < x.ndim
                self._keep(part, mark.squeeze(dim) if gone else mark)
            return True
        if name == "slice" and parts[0].shape == x.shape:
            return self._keep(parts[0], mark)
        if not name.startswith("split") or len({part.shape[dim] for part in parts}) > 1:
            return False
        # Equal parts of a network that asks for so many parts; one that asks for a size fails the proof.
        pieces = mark.split(parts[0].shape[dim], dim)
        for piece in pieces[1:]:
            self._labels.join(pieces[0], piece)
        for part in parts:
            self._keep(part, compressed(self._labels.roots(pieces[0])))
        return True

    def _joining(self, name: str, args: Sequence[Any], result: Any) -> bool:
        tensors = [t for t in args[0] if t.numel()]
        dim = (int(args[1]) if len(args) > 1 else 0) % result.ndim
        marks = []
        for tensor in tensors:
            mark = self._mark(tensor)
            mark = fixed_mark(tensor.ndim) if mark is None else mark
            marks.append(mark.expand([tensor.shape[d] if d == dim else -1 for d in range(mark.ndim)]))
        sizes = [max(mark.shape[d] for mark in marks) for d in range(result.ndim)]
        wide = [mark.expand([-1 if d == dim else sizes[d] for d in range(mark.ndim)]) for mark in marks]
        return self._keep(result, compressed(torch.cat(wide, dim)))

    def _padding(self, name: str, args: Sequence[Any], result: Any) -> bool:
        mark = self._mark(args[0])
        if mark is None:
            return self._weight(args[0]) is None
        padded = [mark.ndim - 1 - place // 2 for place, size in enumerate(args[1]) if size]
        if any(mark.shape[dim] > 1 for dim in padded):
            return False
        return self._keep(result, mark)
