"""Which workloads get further passes."""

import pytest
from simulation import WORKLOAD, interleaved

from hwnas.host.machine import probe_environment
from hwnas.measuring.statistics import MARGIN, compare, estimate
from hwnas.measuring.undecided import undecided, widths_over_wanted
from hwnas.store import LatencyStore

ARMS = ("torch:cpu:fp32", "openvino:cpu:fp32")


def _asked(question, measurements, arms, **wanted):
    with LatencyStore.open("sqlite://") as store:
        environment = probe_environment()
        campaign = store.campaign("test", {}, environment).uid
        for m in measurements:
            store.add(m, environment, campaign_uid=campaign)
        return question(store, campaign, [WORKLOAD], lambda _: arms, **wanted)


def _open(measurements, arms=ARMS, **wanted):
    return _asked(undecided, measurements, arms, **wanted) == [WORKLOAD]


def _width(measurements, arms=ARMS, **wanted):
    return _asked(widths_over_wanted, measurements, arms, **wanted)[WORKLOAD]


def _arms(first_s, second_s, **how):
    found = interleaved(1, {ARMS[0]: first_s, ARMS[1]: second_s}, **how)
    return [*found[ARMS[0]], *found[ARMS[1]]]


def test_a_clear_difference_is_decided():
    assert not _open(_arms(8e-3, 4e-3, passes=3))


def test_a_difference_at_the_margin_of_a_noisy_host_is_not():
    assert _open(_arms(8e-3, 8.2e-3, passes=2, contention=0.3))


def test_arms_that_never_met_are_not():
    apart = interleaved(1, {ARMS[0]: 8e-3})[ARMS[0]] + interleaved(2, {ARMS[1]: 4e-3})[ARMS[1]]
    assert _open(apart)


def test_a_single_arm_is_decided_by_its_interval():
    quiet = interleaved(1, {ARMS[0]: 8e-3}, passes=5, contention=0.0)[ARMS[0]]
    assert not _open(quiet, ARMS[:1])
    loud = interleaved(1, {ARMS[0]: 8e-3}, passes=1, rounds=3, noise=0.2)[ARMS[0]]
    assert _open(loud, ARMS[:1])


def test_a_single_arm_takes_as_many_passes_as_a_speedup_would():
    """What the host does at other times widens the interval that is told, and asks for no more passes."""
    quiet = interleaved(1, {ARMS[0]: 8e-3}, passes=3, contention=0.0)[ARMS[0]]
    told = estimate(quiet, None)
    half = (told.high_s - told.low_s) / (2 * told.latency_s)
    assert half > MARGIN
    assert not _open(quiet, ARMS[:1])
    assert _width(quiet, ARMS[:1], half_width=MARGIN) < 1
    # Unless latencies are asked for.
    assert _open(quiet, ARMS[:1], latency_half_width=0.9 * half)


def test_an_arm_that_was_lost_is_not_waited_for():
    only = interleaved(1, {ARMS[0]: 8e-3}, passes=5, contention=0.0)[ARMS[0]]
    assert _open(only)
    assert not _open(only, ARMS[:1])
    assert not _open([], ())


def test_a_latency_may_have_to_be_known_more_closely_than_a_verdict():
    """A verdict that is clear leaves the latencies of both arms open, where those are asked for."""
    # A steady host: nothing is seen of how the networks follow its speed.
    clear = _arms(8e-3, 4e-3, passes=2, noise=0.05, contention=0.0)
    assert not _open(clear)
    half = max(
        max(e.high_s / e.latency_s, e.latency_s / e.low_s) - 1
        for e in (estimate([m for m in clear if m.backend == arm], None) for arm in ARMS)
    )
    assert _open(clear, latency_half_width=half * 0.99)
    assert not _open(clear, latency_half_width=half * 1.01)
    # Carried to a speed that the host did not have, they are less certain.
    slower = {name: s * 1.5 for name, s in clear[0].blocks[0].canary_before_s.items()}
    assert _open(clear, latency_half_width=half * 1.01, reference=slower)


def test_intervals_are_told_in_parts_of_what_is_narrow_enough():
    """A speedup and a latency each by its own measure, and the one that is further from it counts."""
    clear = _arms(8e-3, 4e-3, passes=2, noise=0.05)
    ratio = compare(*([m for m in clear if m.backend == arm] for arm in ARMS))
    speedup = (ratio.high - ratio.low) / (2 * ratio.speedup)
    latency = max(
        max(e.high_s / e.latency_s, e.latency_s / e.low_s) - 1
        for e in (estimate([m for m in clear if m.backend == arm], None) for arm in ARMS)
    )
    assert _width(clear, half_width=speedup / 2) == pytest.approx(2, rel=0.01)
    # Latencies that need not be known more closely do not ask for more passes.
    assert _width(clear, half_width=speedup * 4, latency_half_width=latency * 2) == pytest.approx(0.5, rel=0.01)
    assert _width(clear, half_width=speedup * 4, latency_half_width=latency / 3) == pytest.approx(3, rel=0.01)
    assert _width([], half_width=0.01, latency_half_width=0.04) == 0
