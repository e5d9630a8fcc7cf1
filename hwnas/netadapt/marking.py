"""What is known of the tensors of a network while its channels are followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hwnas.netadapt.channel_labels import ChannelLabels
from hwnas.netadapt.marks import along, fixed_mark

#: A dimension of a parameter or buffer, by its name in the state dictionary.
Axis = tuple[str, int]

#: What a tensor's axis is to the channels: they are read, written, or lie along it (scales, depthwise kernels).
READ, WRITTEN, ALONG = "read", "written", "along"


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer as an operator reads it.

    Args:
        name: In the state dictionary.
        order: Its own dimensions in the order in which they are read.
    """

    name: str
    order: tuple[int, ...]


def _tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    parameters = network.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(network.named_buffers(remove_duplicate=False))}


def shared_names(network: nn.Module) -> set[str]:
    """Names of the parameters and buffers that have several: they cannot follow one layer's channels."""
    tensors = _tensors(network)
    counts = Counter(map(id, tensors.values()))
    return {name for name, tensor in tensors.items() if counts[id(tensor)] > 1}


class Marking:
    """Marks of activations, names of weights, and the labels along the axes of weights.

    Args:
        network: Whose parameters and buffers are read.
        inputs: What must stay as it is.
        shared: Names of tensors that are not followed.

    Attributes:
        labels: Their partition.
        axes: The labels along each axis, shape ``(size of the axis,)``.
        roles: What each axis is to them: :data:`READ`, :data:`WRITTEN` or :data:`ALONG`.
    """

    def __init__(
        self, network: nn.Module, inputs: Iterable[torch.Tensor], shared: Collection[str] = ()
    ) -> None:
        self.labels = ChannelLabels()
        self.axes: dict[Axis, torch.Tensor] = {}
        self.roles: dict[Axis, str] = {}
        # Tensors are kept, since an id may be given away again.
        self._known: dict[int, tuple[torch.Tensor, torch.Tensor | Weight]] = {}
        for tensor in inputs:
            self.keep(tensor, fixed_mark(tensor.ndim))
        for name, tensor in _tensors(network).items():
            if name not in shared:
                self.keep(tensor, Weight(name, tuple(range(tensor.ndim))))

    def keep(self, tensor: torch.Tensor, known: torch.Tensor | Weight) -> bool:
        """Know a tensor from now on; True, for rules to return."""
        self._known[id(tensor)] = (tensor, known)
        return True

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor has a mark or is a weight; others are constants."""
        return id(tensor) in self._known

    def mark(self, tensor: Any) -> torch.Tensor | None:
        """Of an activation; None for weights and constants."""
        found = self._known.get(id(tensor))
        return found[1] if found and isinstance(found[1], torch.Tensor) else None

    def weight(self, tensor: Any) -> Weight | None:
        """The weight that a tensor is; None for activations and constants."""
        found = self._known.get(id(tensor))
        return found[1] if found and isinstance(found[1], Weight) else None

    def fix(self, tensor: torch.Tensor) -> None:
        """All channels of a tensor must stay as they are."""
        mark = self.mark(tensor)
        if mark is not None:
            self.labels.fix(mark)

    def channels(self, tensor: torch.Tensor, dim: int) -> torch.Tensor | None:
        """The labels along a dimension of an activation; None where there are none, or they are no such row."""
        mark = self.mark(tensor)
        return None if mark is None else along(mark, tensor.shape, dim % max(1, tensor.ndim))

    def note(self, tensor: Any, dim: int, labels: torch.Tensor, role: str) -> None:
        """The labels along a dimension of a weight, as it is read; what is no plain weight fixes them."""
        weight = self.weight(tensor)
        if weight is None:
            self.labels.fix(labels)
            return
        axis = weight.name, weight.order[dim]
        if axis in self.axes:
            self.labels.join(self.axes[axis], labels)
        self.axes[axis] = labels
        self.roles[axis] = role
