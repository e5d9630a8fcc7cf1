"""How a network is shrunk."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hwnas.core.errors import UsageError


@dataclass(frozen=True)
class NetAdaptSettings:
    """Sizes of steps, and how much is trained between them.

    Args:
        reduction: Share of the first latency that the first step takes away.
        decay: Each step takes away this much of what the step before took.
        short_steps: Optimizer steps in which the candidates of a step are fine-tuned before they are compared.
        long_steps: Optimizer steps in which the last network is fine-tuned.
        candidates: How many candidates of a step are fine-tuned: those that lose the least weight. None for
            all, as in the paper.
        granule: Channels of a group that go together at most, a power of two; small groups have smaller ones.

    Raises:
        UsageError: A value is out of range; the message names it.
    """

    reduction: float = 0.05
    decay: float = 0.96
    short_steps: int = 50
    long_steps: int = 500
    candidates: int | None = None
    granule: int = 8

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"the setting {name} is {value!r}", f"Give {name} from {low} to {high}")
        if self.granule & (self.granule - 1):
            raise UsageError(f"the setting granule is {self.granule}", "Give a power of two")

    def record(self) -> dict[str, float | int | None]:
        """JSON-ready."""
        return asdict(self)


_RANGES: dict[str, tuple[float, float]] = {
    "reduction": (1e-4, 0.9),
    "decay": (0.5, 1.0),
    "short_steps": (0, 10**9),
    "long_steps": (0, 10**9),
    "candidates": (1, 10**6),
    "granule": (1, 1024),
}
