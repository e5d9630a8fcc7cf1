"""Labels of channels: those that must stay or go together are joined."""

from __future__ import annotations

import torch

#: The label of what must stay as it is.
FIXED = 0


class ChannelLabels:
    """A partition of labels, which are whole numbers; joined ones are known by the smallest of them."""

    def __init__(self) -> None:
        self._parents = [FIXED]

    def fresh(self, count: int) -> torch.Tensor:
        """New labels, joined with no other, shape ``(count,)``."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def join(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Let labels at the same place stay or go together.

        Args:
            one: Of any shape.
            other: Of a shape that can be broadcast with it.
        """
        shape = torch.broadcast_shapes(one.shape, other.shape)  # type: ignore[no-untyped-call]
        pairs = torch.stack([labels.expand(shape).flatten() for labels in (one, other)], dim=1)
        for a, b in torch.unique(pairs, dim=0).tolist():
            first, second = sorted((self._root(a), self._root(b)))
            self._parents[second] = first

    def fix(self, labels: torch.Tensor) -> None:
        """Let all of these stay."""
        self.join(labels, torch.tensor(FIXED))

    def roots(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels by which they are known now, in the same shape."""
        distinct, places = torch.unique(labels, return_inverse=True)
        return torch.tensor([self._root(label) for label in distinct.tolist()])[places].reshape(labels.shape)

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            self._parents[label] = self._parents[self._parents[label]]
            label = self._parents[label]
        return label
