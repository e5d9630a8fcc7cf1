"""How operators that compute hand the labels of channels on.

Each rule marks what an operator gives, and tells whether it could.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hwnas.netadapt.marking import ALONG, READ, WRITTEN, Marking
from hwnas.netadapt.marks import along, compressed, mark_along
from hwnas.workloads.dry_run import tensors_in

#: Pointwise operators that give what they read.
COPYING = ("detach", "alias", "clone", "_to_copy", "contiguous", "lift_fresh")


def pointwise(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Labels of what is combined are joined; weights and constants lie along them."""
    read = list(tensors_in(args))
    weights = [t for t in read if marking.weight(t) is not None]
    if name in COPYING and weights:
        found = marking.weight(weights[0])
        return found is not None and marking.keep(result, found)
    whole: torch.Tensor | None = None
    result = next(tensors_in(result))
    for tensor in read:
        mark = marking.mark(tensor)
        if mark is None:
            continue
        mark = mark.reshape((1,) * (result.ndim - mark.ndim) + tuple(mark.shape))
        if whole is not None:
            marking.labels.join(whole, mark)
            shape = torch.broadcast_shapes(whole.shape, mark.shape)  # type: ignore[no-untyped-call]
            mark = whole.expand(shape)
        whole = mark
    if whole is None:
        return True
    whole = compressed(marking.labels.roots(whole))
    for tensor in read:
        if marking.mark(tensor) is None:
            _scaled(marking, tensor, whole, result)
    return marking.keep(result, whole)


def _scaled(marking: Marking, tensor: torch.Tensor, mark: torch.Tensor, result: torch.Tensor) -> None:
    """A pointwise operator combines marked values with a weight or a constant."""
    before = result.ndim - tensor.ndim
    wide = [dim for dim, size in enumerate(tensor.shape) if size > 1]
    touched = [dim for dim in wide if mark.shape[dim + before] > 1]
    if not touched:
        return
    labels = along(mark, result.shape, touched[0] + before)
    if len(wide) == 1 and labels is not None:
        marking.note(tensor, wide[0], labels, ALONG)
    else:
        marking.labels.fix(mark)


def convolution(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Channels that are read end, and others begin; a depthwise one hands them on."""
    x, weight, bias = args[:3]
    transposed, groups = bool(args[6]), int(args[8])
    read = marking.channels(x, 1)
    if read is None or marking.weight(weight) is None or transposed:
        return False
    count = weight.shape[0]
    if groups > 1 and groups == len(read):
        written, role = read.repeat_interleave(count // groups), ALONG
    else:
        written, role = marking.labels.fresh(count), WRITTEN
        if groups > 1:
            # The same place in every group, so that groups keep equal sizes.
            for labels in (read, written):
                rows = labels.reshape(groups, -1)
                marking.labels.join(rows, rows[:1])
        marking.note(weight, 1, read[: weight.shape[1]], READ)
    marking.note(weight, 0, written, role)
    if bias is not None:
        marking.note(bias, 0, written, role)
    return marking.keep(result, mark_along(written, result.ndim, 1))


def linear(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Features that are read end, and others begin."""
    bias = None
    if name == "addmm":
        bias, x, weight = args[:3]
    else:
        x, weight = args[:2]
        bias = args[2] if len(args) > 2 else None
    inner, outer = (1, 0) if name == "linear" else (0, 1)
    read = marking.channels(x, -1)
    if read is None or marking.weight(weight) is None:
        return False
    written = marking.labels.fresh(result.shape[-1])
    marking.note(weight, inner, read, READ)
    marking.note(weight, outer, written, WRITTEN)
    if bias is not None:
        marking.note(bias, 0, written, WRITTEN)
    return marking.keep(result, mark_along(written, result.ndim, result.ndim - 1))


def normalising(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Batch normalisation hands channels on; its tensors lie along them."""
    channels = marking.channels(args[0], 1)
    if channels is None:
        return False
    for tensor in args[1:5]:
        if isinstance(tensor, torch.Tensor):
            marking.note(tensor, 0, channels, ALONG)
    first = next(tensors_in(result))
    return marking.keep(first, mark_along(channels, first.ndim, 1))


def pooling(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Channels stay, whatever becomes of height and width."""
    channels = marking.channels(args[0], 1)
    if channels is None:
        return False
    for tensor in tensors_in(result):
        if tensor.ndim != args[0].ndim or tensor.shape[1] != len(channels):
            return False
        marking.keep(tensor, mark_along(channels, tensor.ndim, 1))
    return True


def reducing(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Channels stay where they are not what is reduced."""
    mark = marking.mark(args[0])
    if mark is None:
        return not any(map(marking.knows, tensors_in(args)))
    if len(args) < 2 or not args[1]:
        return False
    dims = sorted({int(dim) % mark.ndim for dim in args[1]}, reverse=True)
    if any(mark.shape[dim] > 1 for dim in dims):
        return False
    if result.ndim != mark.ndim:
        for dim in dims:
            mark = mark.squeeze(dim)
    return marking.keep(result, mark)


def padding(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Channels stay where none are added."""
    mark = marking.mark(args[0])
    if mark is None:
        return marking.weight(args[0]) is None
    padded = [mark.ndim - 1 - place // 2 for place, size in enumerate(args[1]) if size]
    if any(mark.shape[dim] > 1 for dim in padded):
        return False
    return marking.keep(result, mark)
