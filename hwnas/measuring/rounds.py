"""Blocks by round of interleaving: what two arms are paired by."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from hwnas.core.measurement import Block


def round_medians(blocks: Sequence[Block]) -> dict[int, float]:
    """Round -> median log latency of its blocks [log s]."""
    by_round: dict[int, list[float]] = {}
    for block in blocks:
        by_round.setdefault(block.round, []).append(math.log(block.median_s))
    return {r: statistics.median(values) for r, values in by_round.items()}
