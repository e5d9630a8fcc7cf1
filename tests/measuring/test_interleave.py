"""Interleaving and the stop rule, replayed on a simulated host with its own clock."""

import math
import random
from collections import Counter

import pytest
from simulation import SimulatedHost

from hwnas.core.errors import CellTimeout
from hwnas.core.measurement import Block
from hwnas.measuring.interleave import interleave
from hwnas.measuring.settings import Settings
from hwnas.measuring.stop_rule import BUDGET, INTERVAL, STABLE, StopRule, interval_half_width


class SimulatedArm:
    def __init__(self, host, latency_s, order, name, fails_at=None):
        self.host, self.latency_s, self.order, self.name, self.fails_at = host, latency_s, order, name, fails_at
        self.turns = 0

    def turn(self, turn_s, block_s):
        self.turns += 1
        self.order.append(self.name)
        if self.turns == self.fails_at:
            raise CellTimeout("hangs")
        return self.host.turn(self.latency_s, 0.6, 0, turn_s, block_s)


def _run(settings, latencies, seed=0, fails_at=None, **host):
    machine, order = SimulatedHost(seed, **host), []
    arms = {n: SimulatedArm(machine, s, order, n, (fails_at or {}).get(n)) for n, s in latencies.items()}
    result = interleave(arms, settings, random.Random(seed), (CellTimeout,), clock=lambda: machine.now)
    return result, order, machine


def test_a_quiet_host_stops_on_its_interval_and_a_noisy_one_on_its_budget():
    settings = Settings(budget_s=4.0)
    quiet, _, machine = _run(settings, {"a": 2e-3, "b": 4e-3}, contention=0.0, noise=0.002)
    assert quiet.stop_reason == INTERVAL
    assert quiet.rounds >= settings.min_rounds
    assert machine.now < 4.0
    noisy, _, machine = _run(settings, {"a": 2e-3, "b": 4e-3}, contention=0.0, noise=0.5)
    assert noisy.stop_reason == BUDGET
    assert 8.0 <= machine.now < 8.6


def test_noise_that_no_longer_shrinks_is_said():
    rule = StopRule(Settings(min_rounds=4, budget_s=1e9))
    rng, reason, blocks = random.Random(0), "", []
    level = 0.0
    for round_ in range(400):
        level += 0.02 * rng.gauss(0, 1)  # a random walk: its mean never settles
        blocks.append(Block(round_, round_, (1e-3 * 2.718281828**level,)))
        reason = rule.decide([blocks], round_ + 1, 0.0)
        if reason:
            break
    assert reason == STABLE


def test_independent_noise_is_rarely_taken_for_settled():
    """A rule that looks at too few rounds stops most series of independent rounds by chance."""
    stopped = 0
    for seed in range(20):
        rule = StopRule(Settings(budget_s=1e9, target_half_width=1e-9))
        rng = random.Random(seed)
        first, second = [], []
        for round_ in range(66):
            first.append(Block(round_, round_, (1e-3,)))
            second.append(Block(round_, round_, (1e-3 * 2.718281828 ** rng.gauss(0, 0.05),)))
            if rule.decide([first, second], round_ + 1, 0.0):
                stopped += 1
                break
    assert stopped <= 3


@pytest.mark.parametrize(("memory", "least"), [(0.0, 0.91), (0.6, 0.84)])
def test_the_rules_interval_holds_the_ratio_also_where_rounds_remember(memory, least):
    """Rounds of an autoregressive host; taken for independent, two of three intervals would hold at 0.6."""
    rng, held = random.Random(1), 0
    for _ in range(300):
        level, first, second = rng.gauss(0, 0.05), [], []
        for round_ in range(60):
            first.append(Block(round_, round_, (1e-3,)))
            second.append(Block(round_, round_, (1e-3 * math.exp(level),)))
            level = memory * level + math.sqrt(1 - memory**2) * rng.gauss(0, 0.05)
        mean = sum(math.log(b.median_s / 1e-3) for b in second) / len(second)
        held += abs(mean) <= interval_half_width([first, second])
    assert least <= held / 300 <= 0.985


def test_two_rounds_tell_no_interval_and_equal_ones_a_sure_one():
    blocks = [Block(r, r, (1e-3,)) for r in range(3)]
    assert interval_half_width([blocks[:2], blocks[:2]]) == math.inf
    assert interval_half_width([blocks, blocks]) == 0.0


def test_the_order_is_random_and_every_arm_runs_once_a_round():
    _, order, _ = _run(Settings(budget_s=2.0, target_half_width=1e-6), {"a": 1e-3, "b": 1e-3, "c": 1e-3})
    rounds = [tuple(order[i : i + 3]) for i in range(0, len(order), 3)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len(Counter(rounds)) > 3


def test_blocks_carry_their_round_and_rounds_pair_across_arms():
    result, _, _ = _run(Settings(budget_s=1.0), {"a": 1e-3, "b": 3e-3})
    assert (
        {b.round for b in result.blocks["a"]}
        == {b.round for b in result.blocks["b"]}
        == set(range(result.rounds))
    )


def test_an_arm_that_fails_costs_itself_alone():
    result, order, _ = _run(Settings(budget_s=1.0), {"a": 1e-3, "b": 1e-3}, fails_at={"b": 3})
    assert isinstance(result.failures["b"], CellTimeout)
    assert result.blocks["b"] == []
    assert len(result.blocks["a"]) > 20
    assert order.count("b") == 3


def test_when_all_fail_it_ends():
    result, _, _ = _run(Settings(), {"a": 1e-3}, fails_at={"a": 1})
    assert result.stop_reason == "failed"


def test_a_long_call_still_gets_its_rounds():
    settings = Settings(budget_s=2.0, min_rounds=4)
    result, _, machine = _run(settings, {"a": 5.0})
    assert result.rounds == 4
    assert result.stop_reason in (BUDGET, INTERVAL)
    assert machine.now == pytest.approx(20.0, rel=0.6)


def test_the_time_of_an_arm_that_hangs_is_not_the_others():
    """An arm that fails after minutes, at its time limit, leaves the others their budget."""
    machine, order = SimulatedHost(0, contention=0.0, noise=0.5), []

    class Hanging(SimulatedArm):
        def turn(self, turn_s, block_s):
            try:
                return super().turn(turn_s, block_s)
            except CellTimeout:
                machine.advance(600.0)
                raise

    arms = {
        "a": SimulatedArm(machine, 2e-3, order, "a"),
        "b": Hanging(machine, 2e-3, order, "b", fails_at=2),
    }
    result = interleave(
        arms, Settings(budget_s=1.0), random.Random(0), (CellTimeout,), clock=lambda: machine.now
    )
    assert set(result.failures) == {"b"}
    assert result.stop_reason == BUDGET
    assert sum(sum(b.samples_s) for b in result.blocks["a"]) > 0.99
