"""What a prediction tells of its kernels: each with its limits, and what makes the whole less trustworthy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelTimes
from hwnas.predicting.prediction import KernelPrediction

#: A network with more of its time than this in kernels unlike any in training is out of range.
MOST_FAR = 0.05


@dataclass(frozen=True)
class Limits:
    """The best that a host's kernels reached in training.

    Args:
        macs_per_s: Multiply-adds a second.
        bytes_per_s: Bytes a second, through whatever caches.
    """

    macs_per_s: float
    bytes_per_s: float


def kernel_predictions(
    facts: Sequence[KernelFacts], found: KernelTimes, times_s: np.ndarray, limits: Limits
) -> tuple[KernelPrediction, ...]:
    """The kernels of a prediction.

    Args:
        facts: ``n`` kernels.
        found: What the model says of them.
        times_s: Their calibrated times, shape ``(n,)`` [s].
        limits: Of the host.
    """
    return tuple(
        KernelPrediction(
            position=place,
            type=k.type,
            shapes=_shapes(k),
            time_s=float(time_s),
            source=source,
            in_range=bool(inside),
            compute_s=k.macs / limits.macs_per_s,
            memory_s=k.bytes / limits.bytes_per_s,
        )
        for place, (k, time_s, source, inside) in enumerate(
            zip(facts, times_s, found.sources, found.in_range, strict=True)
        )
    )


def unseen_types(facts: Sequence[KernelFacts], sources: Sequence[str]) -> list[str]:
    """Operator types that were never seen in training."""
    return sorted({k.type for k, source in zip(facts, sources, strict=True) if source == "borrowed"})


def warnings_of(
    facts: Sequence[KernelFacts], sources: Sequence[str], far: float, elsewhere: str
) -> Iterator[str]:
    """What makes a prediction less trustworthy, each a sentence.

    Args:
        facts: Its kernels.
        sources: Where their times come from.
        far: Share of the time in kernels out of range.
        elsewhere: How the predictor's host differs; empty where it does not.
    """
    if elsewhere:
        yield (
            f"the predictor was {elsewhere}: latency and interval are of that host; hwnas measure and hwnas "
            "fit make a predictor of this one"
        )
    unseen = unseen_types(facts, sources)
    if unseen:
        yield f"never seen in training, and guessed from other kernels: {', '.join(unseen)}"
    if far > MOST_FAR:
        yield f"{far:.0%} of the time is in kernels outside the range of those in training"


def _shapes(kernel: KernelFacts) -> str:
    def text(shape: tuple[int, ...]) -> str:
        return "x".join(map(str, shape)) or "scalar"

    window = f" {text(kernel.window)}" if max(kernel.window) > 1 else ""
    groups = f" groups {kernel.groups}" if kernel.groups > 1 else ""
    first = text(kernel.inputs[0]) if kernel.inputs else ""
    return f"{first} -> {text(kernel.output)}{window}{groups}"
