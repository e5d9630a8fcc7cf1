"""Arms take turns in random order until the stop rule is content."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hwnas.core.measurement import Block
from hwnas.measuring.settings import Settings
from hwnas.measuring.stop_rule import StopRule


class Arm(Protocol):
    """Something that can be timed in turns."""

    def turn(self, turn_s: float, block_s: float) -> list[Block]:
        """Time calls for about `turn_s`; the blocks' round is set by the caller.

        Raises:
            CellError: The arm failed; it takes no further part.
        """
        ...


@dataclass
class Interleaved:
    """What came out for the arms of one group.

    Args:
        blocks: Arm -> its blocks, in order.
        failures: Arm -> what ended it.
        stop_reason: Why sampling ended.
        rounds: Rounds completed.
    """

    blocks: dict[str, list[Block]]
    failures: dict[str, Exception]
    stop_reason: str
    rounds: int


def interleave(
    arms: Mapping[str, Arm],
    settings: Settings,
    rng: random.Random,
    failures: tuple[type[Exception], ...],
    clock: Callable[[], float] = time.monotonic,
    on_round: Callable[[int], None] | None = None,
) -> Interleaved:
    """Give every arm one turn a round, in random order, until the stop rule says why to stop.

    Args:
        arms: Name -> arm; the first is the baseline that ratios refer to.
        settings: Turn length, budget and precision asked for.
        rng: Decides the order.
        failures: Exceptions that cost an arm its cell without ending the others.
        clock: Seconds; injected in tests.
        on_round: Called after each round with the number of rounds.
    """
    blocks: dict[str, list[Block]] = {name: [] for name in arms}
    failed: dict[str, Exception] = {}
    spent_s = dict.fromkeys(arms, 0.0)
    rule = StopRule(settings)
    start = clock()
    rounds = 0
    while True:
        order = [name for name in arms if name not in failed]
        rng.shuffle(order)
        for name in order:
            begin = clock()
            try:
                taken = arms[name].turn(settings.turn_s, settings.block_s)
            except failures as error:
                failed[name] = error
                blocks[name] = []
                continue
            finally:
                spent_s[name] += clock() - begin
            blocks[name].extend(replace(block, round=rounds) for block in taken)
        if len(failed) == len(arms):
            return Interleaved(blocks, failed, "failed", rounds)
        rounds += 1
        if on_round:
            on_round(rounds)
        alive: Sequence[list[Block]] = [blocks[name] for name in arms if name not in failed]
        # An arm that hung until its time limit has not spent the time of the others.
        lost_s = sum(spent_s[name] for name in failed)
        reason = rule.decide(alive, rounds, clock() - start - lost_s)
        if reason:
            return Interleaved(blocks, failed, reason, rounds)
