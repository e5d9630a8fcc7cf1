"""Which channels of a network can be pruned, and the pruning itself."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hwnas.netadapt.channel_labels import FIXED
from hwnas.netadapt.marking import READ, WRITTEN, Axis
from hwnas.netadapt.resizing import replace_tensors
from hwnas.netadapt.tracing import trace_channels


@dataclass(frozen=True)
class Group:
    """Channels of the same layers: any of them can go, and others can stay.

    Args:
        name: Of the first layer that writes them.
        channels: Their labels. One may stand for several channels of a layer that must go together, such as one
            of every group of a grouped convolution.
    """

    name: str
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """The channels of a network.

    Args:
        axes: The label of the channel at every place of an axis of a parameter or buffer, shape ``(size,)``.
        roles: Whether an axis is that of a layer that reads, writes, or only scales them.
        groups: Those that can be pruned, in order of execution.
    """

    axes: Mapping[Axis, np.ndarray]
    roles: Mapping[Axis, str]
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Structure:
        """Read off a network's operators; nothing is proved yet.

        Args:
            network: In eval mode; it is not changed.
            inputs: Batch first.

        Raises:
            OutOfMemory: The network looks at values, and a real run did not fit.
            UsageError: It cannot run on these inputs.
        """
        found = trace_channels(network, inputs)
        axes = {axis: labels.numpy() for axis, labels in found.axes.items()}
        return cls(axes, found.roles, tuple(_groups(axes, found.roles)))

    def group(self, name: str) -> Group:
        """The group of that name."""
        return next(group for group in self.groups if group.name == name)

    def without_channels(self, dropped: Collection[int]) -> Structure:
        """Of the network that :func:`pruned` gives; its groups keep their names."""
        gone = set(dropped)
        axes = {axis: labels[~np.isin(labels, list(gone))] for axis, labels in self.axes.items()}
        left = (Group(g.name, tuple(c for c in g.channels if c not in gone)) for g in self.groups)
        return Structure(axes, self.roles, tuple(group for group in left if group.channels))

    def without_groups(self, names: Collection[str]) -> Structure:
        """The same channels, of which those of some groups are not to be pruned."""
        return Structure(self.axes, self.roles, tuple(g for g in self.groups if g.name not in names))

    def importance(self, network: nn.Module, group: Group) -> np.ndarray:
        """Squared L2 norm of the weights that write each channel, shape ``(channels of the group,)``.

        Source: T.-J. Yang et al. NetAdapt. ECCV 2018, arXiv:1804.03230, section 3.3, which keeps the filters of
        the largest norm.
        """
        state = network.state_dict()
        found = dict.fromkeys(group.channels, 0.0)
        for (name, dim), labels in self.axes.items():
            tensor = state[name]
            if self.roles[name, dim] != WRITTEN or tensor.ndim < 2 or not np.isin(labels, group.channels).any():
                continue
            others = [d for d in range(tensor.ndim) if d != dim]
            norms = tensor.detach().double().square().sum(dim=others).tolist()
            for label, norm in zip(labels.tolist(), norms, strict=True):
                if label in found:
                    found[label] += norm
        return np.array([found[channel] for channel in group.channels])


def _groups(axes: Mapping[Axis, np.ndarray], roles: Mapping[Axis, str]) -> Iterable[Group]:
    """Channels that lie on the same axes."""
    seen: dict[int, list[Axis]] = {}
    for axis, labels in axes.items():
        for label in np.unique(labels).tolist():
            seen.setdefault(label, []).append(axis)
    together: dict[tuple[Axis, ...], list[int]] = {}
    for label, axes_of in seen.items():
        if label != FIXED:
            together.setdefault(tuple(axes_of), []).append(label)
    taken: set[str] = set()
    for places, channels in together.items():
        written = [axis for axis in places if roles[axis] == WRITTEN]
        # A group of one channel can lose none.
        if not written or len(channels) < 2:
            continue
        name = base = written[0][0].rpartition(".")[0]
        number = 1
        while name in taken:
            # Channels of one layer that go different ways.
            number += 1
            name = f"{base}#{number}"
        taken.add(name)
        yield Group(name, tuple(sorted(channels)))


def pruned(network: nn.Module, structure: Structure, dropped: Collection[int]) -> nn.Module:
    """A copy of a network that has lost some channels; what is left of its weights is as it was.

    Args:
        network: Whose structure it is; not changed.
        structure: As it is before the pruning.
        dropped: Labels of channels.
    """
    smaller = copy.deepcopy(network)
    state = smaller.state_dict()
    gone = list(dropped)
    changed: dict[str, torch.Tensor] = {}
    for (name, dim), labels in structure.axes.items():
        kept = np.flatnonzero(~np.isin(labels, gone))
        if len(kept) < len(labels):
            tensor = changed.get(name, state[name])
            changed[name] = tensor.index_select(dim, torch.from_numpy(kept).to(tensor.device)).contiguous()
    replace_tensors(smaller, changed)
    return smaller


def silenced(network: nn.Module, structure: Structure, dropped: Collection[int]) -> nn.Module:
    """A copy of a network in which nothing reads some channels: it computes what :func:`pruned`'s should."""
    silent = copy.deepcopy(network)
    state = silent.state_dict()
    for (name, dim), labels in structure.axes.items():
        if structure.roles[name, dim] == READ:
            unread = np.flatnonzero(np.isin(labels, list(dropped)))
            state[name].index_fill_(dim, torch.from_numpy(unread).to(state[name].device), 0.0)
    return silent
