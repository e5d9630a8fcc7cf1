"""Warm-up on a simulated clock."""

import itertools

import pytest

from hwnas.measuring.warmup import warm_up


class Clock:
    def __init__(self, durations):
        self.now, self.durations, self.calls = 0.0, iter(durations), 0

    def __call__(self):
        return self.now

    def run(self):
        self.calls += 1
        self.now += next(self.durations)


def _warm(durations, floor=0.25, cap=2.0):
    clock = Clock(durations)
    return warm_up(clock.run, floor, cap, clock), clock


def test_settled_from_the_start_ends_at_the_floor():
    result, clock = _warm(itertools.repeat(0.01))
    assert result.settled
    assert 0.25 <= result.elapsed_s < 0.4
    assert result.call_s == pytest.approx(0.01)
    assert result.calls == clock.calls


def test_goes_on_while_calls_get_faster():
    result, _ = _warm(itertools.chain((0.01 * (1 + 2 * 0.97**i) for i in range(100)), itertools.repeat(0.01)))
    assert result.settled
    assert result.elapsed_s > 0.5
    assert result.call_s == pytest.approx(0.01, rel=0.25)


def test_never_settles_ends_at_the_cap_and_says_so():
    result, _ = _warm(0.01 * 1.03**i for i in itertools.count())
    assert not result.settled
    assert 2.0 <= result.elapsed_s < 2.5


def test_a_long_call_runs_at_least_twice():
    result, clock = _warm(itertools.repeat(3.0))
    assert clock.calls == 2
    assert result.call_s == 3.0


def test_without_a_floor_windows_still_have_several_calls():
    result, clock = _warm(itertools.cycle([0.001, 0.0012, 0.001, 0.0012, 0.001]), floor=0.0)
    assert result.settled
    assert clock.calls == 10


def test_the_last_window_counts_and_not_the_first_slow_calls():
    result, _ = _warm(itertools.chain([1.0], itertools.repeat(0.002)))
    assert result.call_s == pytest.approx(0.002)
