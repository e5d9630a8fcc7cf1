"""How operators that move values around hand the labels of channels on.

Each rule marks what an operator gives, and tells whether it could.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hwnas.netadapt.marking import Marking, Weight
from hwnas.netadapt.marks import compressed, fixed_mark, varying
from hwnas.workloads.dry_run import tensors_in

RESHAPING = ("view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy")


def moving(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Labels move as the values do."""
    weight = marking.weight(args[0])
    if weight is not None:
        return _moved_weight(marking, name, args, weight, result)
    mark = marking.mark(args[0])
    if mark is None:
        return True
    whole = mark.expand(args[0].shape)
    # A view of expanded labels need not be possible; a copy is.
    moved = whole.reshape(args[1]) if name in RESHAPING else getattr(torch.ops.aten, name)(whole, *args[1:])
    return marking.keep(result, _evenly(marking, compressed(marking.labels.roots(moved))))


def _moved_weight(marking: Marking, name: str, args: Sequence[Any], weight: Weight, result: Any) -> bool:
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
    return marking.keep(result, Weight(weight.name, tuple(weight.order[dim] for dim in order)))


def _evenly(marking: Marking, mark: torch.Tensor) -> torch.Tensor:
    """Channels that were laid out as a table keep equal numbers in all of its rows."""
    for dim in varying(mark)[:-1]:
        marking.labels.join(mark, mark.narrow(dim, 0, 1))
        mark = compressed(marking.labels.roots(mark))
    return mark


def cutting(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Cut elsewhere, channels stay; cut into equal parts, the same number goes from each."""
    x = args[0]
    mark = marking.mark(x)
    if mark is None:
        return marking.weight(x) is None
    given = [a for a in args[1:] if a is not None]
    place = {"slice": 0, "select": 0, "unbind": 0}.get(name, 1)
    dim = (int(given[place]) if len(given) > place else 0) % x.ndim
    parts = list(tensors_in(result))
    if mark.shape[dim] == 1:
        for part in parts:
            gone = part.ndim < x.ndim
            marking.keep(part, mark.squeeze(dim) if gone else mark)
        return True
    if name == "slice" and parts[0].shape == x.shape:
        return marking.keep(parts[0], mark)
    if not name.startswith("split") or len({part.shape[dim] for part in parts}) > 1:
        return False
    # Equal parts of a network that asks for so many parts; one that asks for a size fails the proof.
    size = parts[0].shape[dim]
    pieces = [mark.narrow(dim, begin, size) for begin in range(0, size * len(parts), size)]
    for piece in pieces[1:]:
        marking.labels.join(pieces[0], piece)
    for part in parts:
        marking.keep(part, compressed(marking.labels.roots(pieces[0])))
    return True


def joining(marking: Marking, name: str, args: Sequence[Any], result: Any) -> bool:
    """Labels stand beside each other as the values do."""
    tensors = [t for t in args[0] if t.numel()]
    dim = (int(args[1]) if len(args) > 1 else 0) % result.ndim
    marks = []
    for tensor in tensors:
        mark = marking.mark(tensor)
        mark = fixed_mark(tensor.ndim) if mark is None else mark
        marks.append(mark.expand([tensor.shape[d] if d == dim else -1 for d in range(mark.ndim)]))
    sizes = [max(mark.shape[d] for mark in marks) for d in range(result.ndim)]
    wide = [mark.expand([-1 if d == dim else sizes[d] for d in range(mark.ndim)]) for mark in marks]
    return marking.keep(result, compressed(torch.cat(wide, dim)))
