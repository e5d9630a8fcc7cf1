"""How a campaign measures: every knob of the protocol, with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from hwnas.core.errors import UnknownName, UsageError

_MAY_BE_ZERO = ("warmup_s", "seed", "latency_half_width")


@dataclass(frozen=True)
class Settings:
    """The measuring protocol's parameters. Times in seconds, sizes in bytes.

    Args:
        passes: How often the whole plan is measured, each time by fresh processes: memory
            placement is drawn anew in each process and can shift a latency by a percent or two.
        max_passes: Workloads whose verdict is still UNCLEAR (with one arm: whose passes tell its latency less
            closely than the margin of a verdict) get further passes, up to this many in all.
        latency_half_width: So do workloads with a latency whose 95 % interval, at the reference speed of the
            host, reaches further than this on either side (relative); 0 where speedups alone are asked for.
            No pass ends by it: that is `target_half_width`.
        budget_s: Timed seconds for one arm in one pass of one cell.
        turn_s: Length of one arm's turn before another arm runs. Short, so that arms meet the
            same state of the host; long against the cost of refilling the caches.
        block_s: Timed seconds between two canary readings. The host changes speed within
            tens of milliseconds.
        min_rounds: Rounds of interleaving before any stop rule applies.
        target_half_width: Sampling stops once the 95 % interval of every ratio between arms is
            within this relative half width.
        warmup_s: Shortest warm-up; it goes on until two adjacent windows agree.
        warmup_cap_s: Longest warm-up, no shorter than `warmup_s`.
        cell_timeout_s: A worker that does not answer within this time costs its cell.
        memory_fraction: A cell may use this part of the memory available when it starts.
        seed: Of the random order of arms and cells.

    Raises:
        UsageError: A value is no number, not an integer where one is needed, or out of range.
    """

    passes: int = 3
    max_passes: int = 10
    latency_half_width: float = 0.0
    budget_s: float = 4.0
    turn_s: float = 0.06
    block_s: float = 0.012
    min_rounds: int = 6
    target_half_width: float = 0.01
    warmup_s: float = 0.25
    warmup_cap_s: float = 2.0
    cell_timeout_s: float = 600.0
    memory_fraction: float = 0.85
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            whole = isinstance(field.default, int)
            # True is an int in Python, and no number of passes.
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                kind = "an integer" if whole else "a number"
                raise UsageError(f"setting {name} is {value!r}", f"Give {kind}")
            # Written so that it is false for NaN.
            if not 0 <= value < math.inf or (value == 0 and name not in _MAY_BE_ZERO):
                raise UsageError(f"setting {name} is {value}", "Give a positive, finite number")
        if self.min_rounds < 2:
            raise UsageError("setting min_rounds is 1", "Give 2 or more: one round tells nothing of the noise")
        if self.max_passes < self.passes:
            raise UsageError(
                f"setting max_passes is {self.max_passes}, below passes, which is {self.passes}",
                "Give at least as many",
            )
        if self.warmup_cap_s < self.warmup_s:
            raise UsageError(
                f"setting warmup_cap_s is {self.warmup_cap_s}, below warmup_s, which is {self.warmup_s}",
                "Give at least as much",
            )
        if self.memory_fraction > 1:
            raise UsageError(f"setting memory_fraction is {self.memory_fraction}", "Give at most 1")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        found = asdict(self)
        if not self.latency_half_width:
            # Campaigns are known by their settings: those from before there was this one go on.
            del found["latency_half_width"]
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """Build from a mapping.

        Raises:
            UnknownName: A key is no setting.
            UsageError: A value is out of range.
        """
        known = {f.name for f in fields(cls)}
        for key in data:
            if key not in known:
                raise UnknownName("setting", key, known)
        return cls(**data)
