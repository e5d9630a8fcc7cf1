"""Where a shrinking stands, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from hwnas.netadapt.checkpoint import Step
from hwnas.netadapt.structure import Structure


@dataclass(frozen=True)
class Progress:
    """Where a shrinking stands.

    Args:
        step: Of those that were finished, or is being worked on; from 1.
        activity: What is being done, in a few words.
        first_s: Latency that it began with [s].
        latency_s: Latency of the network before the step [s].
        limit_s: What is to be reached [s].
        accuracy: Of the network before the step.
        elapsed_s: Of this run [s].
        remaining_s: Estimate of the time left without the last fine-tuning [s]; None before there is one.
    """

    step: int
    activity: str
    first_s: float
    latency_s: float
    limit_s: float
    accuracy: float | None
    elapsed_s: float
    remaining_s: float | None


@dataclass(frozen=True, eq=False)
class Adapted:
    """What came out.

    Args:
        network: In eval mode, within the limit, fine-tuned.
        latency_s: As the latency was told [s].
        first_s: That of the network it began with [s].
        accuracy: After the last fine-tuning.
        steps: In their order; none where the network was within the limit from the start.
        structure: What is left of its channels.
        left_out: Groups of channels that could not be pruned, since the network's code counts them by itself.
    """

    network: nn.Module
    latency_s: float
    first_s: float
    accuracy: float
    steps: tuple[Step, ...]
    structure: Structure
    left_out: tuple[str, ...]
