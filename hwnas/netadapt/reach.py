"""Whether a network can be shrunk so far, told before anything is trained for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds
from hwnas.netadapt.choosing import Latency, granules, smallest
from hwnas.netadapt.proof import proved
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.netadapt.structure import Structure


class OutOfReach(UsageError):
    """A limit that the network holds with no number of channels."""


def check_reach(
    network: nn.Module, images: torch.Tensor, latency: Latency, limit_s: float, settings: NetAdaptSettings
) -> None:
    """Whether a limit can be reached, before anything is trained for it.

    Args:
        network: Trained or not; not changed.
        images: An input, float32, batch first.
        latency: Tells that of a network [s].
        limit_s: At most so much [s].
        settings: Of the shrinking.

    Raises:
        OutOfMemory: The network does not fit.
        OutOfReach: It cannot reach the limit.
        UsageError: It has no channels to prune.
    """
    start = copy.deepcopy(network).cpu().eval()
    if latency(start) > limit_s:
        structure, _ = proved(start, (images,), Structure.of(start, (images,)))
        check_sizes(start, structure, granules(structure, settings.granule), latency, limit_s)


def check_sizes(
    network: nn.Module, structure: Structure, sizes: Mapping[str, int], latency: Latency, limit_s: float
) -> None:
    """The same for a network whose channels were followed already.

    Args:
        network: In eval mode; not changed.
        structure: Its own, proved.
        sizes: Of each group: how many channels go together.
        latency: Tells that of a network [s].
        limit_s: At most so much [s].

    Raises:
        OutOfReach: It cannot reach the limit.
        UsageError: It has no channels to prune.
    """
    if not structure.groups:
        raise UsageError("the network has no channels that can be pruned", "Give a network of convolutions")
    least_s = latency(smallest(network, structure, sizes))
    if least_s > limit_s:
        raise OutOfReach(
            f"the limit of {format_seconds(limit_s)} cannot be reached: with hardly any channels "
            f"left the network takes {format_seconds(least_s)}",
            "Raise the limit, or start from a smaller network",
        )
