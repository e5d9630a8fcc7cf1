"""How many channels of a group go, and which: what the latency decides before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from hwnas.netadapt.structure import Group, Structure, pruned

#: The latency of a network [s], such as :class:`hwnas.netadapt.predicted.PredictedLatency`.
Latency = Callable[[nn.Module], float]

#: The latency of the network at hand without the channels of these labels [s]; it may be an estimate.
Told = Callable[[Collection[int]], float]

#: A group is cut into at least so many pieces.
_PIECES = 4


@dataclass(frozen=True)
class Candidate:
    """Channels of one group that may go.

    Args:
        group: Its name.
        dropped: Labels of the channels.
        latency_s: Of the network without them, as it was told [s].
        lost: Share of the group's squared weights that went.
    """

    group: str
    dropped: tuple[int, ...]
    latency_s: float
    lost: float


def granules(structure: Structure, granule: int) -> dict[str, int]:
    """For each group how many channels go together: a power of two.

    Args:
        structure: Of the network before anything was pruned.
        granule: The most of them.
    """
    found: dict[str, int] = {}
    for group in structure.groups:
        size = granule
        while size > 1 and size * _PIECES > len(group.channels):
            size //= 2
        found[group.name] = size
    return found


def choose(
    network: nn.Module, structure: Structure, group: Group, granule: int, told: Told, at_most_s: float
) -> Candidate | None:
    """The candidate that keeps most channels of a group within a latency; None where one granule is too slow.

    Numbers of channels are tried by bisection, as if the latency fell with each: where it does not, the
    candidate may keep fewer than it could, and is within the latency all the same.

    Source: T.-J. Yang et al. NetAdapt. ECCV 2018, arXiv:1804.03230, algorithm 1, lines 6 and 7.

    Args:
        network: In eval mode; not changed.
        structure: Its own.
        group: Of the structure.
        granule: The numbers that are kept are multiples of it.
        told: Tells the latency without some channels.
        at_most_s: The latency that the candidate may have [s].
    """
    norms = structure.importance(network, group)
    # The least important first; equal ones in their order.
    order = np.argsort(norms, kind="stable")

    def dropped(kept: int) -> tuple[int, ...]:
        return tuple(sorted(group.channels[place] for place in order[: len(order) - kept]))

    numbers = range(granule, len(order), granule)
    if not numbers:
        return None
    # numbers[low] is known to be fast enough, numbers[high] not.
    low, high = 0, len(numbers)
    latency_s = told(dropped(numbers[low]))
    if latency_s > at_most_s:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found_s = told(dropped(numbers[middle]))
        if found_s <= at_most_s:
            low, latency_s = middle, found_s
        else:
            high = middle
    gone = dropped(numbers[low])
    lost = float(norms[order[: len(gone)]].sum() / max(float(norms.sum()), 1e-30))
    return Candidate(group.name, gone, latency_s, lost)


def smallest(network: nn.Module, structure: Structure, sizes: Mapping[str, int]) -> nn.Module:
    """The network with a single granule left of every group.

    Args:
        network: In eval mode; not changed.
        structure: Its own.
        sizes: Granules by group.
    """
    dropped = [c for g in structure.groups for c in g.channels[sizes[g.name] :]]
    return pruned(network, structure, dropped).eval()
