"""Latencies of passes at different speeds of the host."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from hwnas.core.measurement import Block
from hwnas.predicting.host_speed import (
    Pass,
    log_latency,
    readings,
    shortness,
    slowness,
    steady_latencies,
)

REFERENCE = {"matrix": 1e-4, "arithmetic": 2e-4, "interpreter": 3e-4}


def block(latency_s: float, slow: float, **off: float) -> Block:
    reading = {name: value * slow * off.get(name, 1.0) for name, value in REFERENCE.items()}
    return Block(0, 0.0, (latency_s,), reading, reading)


def passes(slope: float, networks: int = 20, each: int = 3, seed: int = 0) -> list[Pass]:
    """Of networks that take 1 ms at the reference speed, on a host that changes its speed by a fifth."""
    rng = np.random.default_rng(seed)
    found = []
    for network in range(networks):
        for slow in rng.normal(0.0, 0.2, each):
            latency = math.log(1e-3) + slope * slow + rng.normal(0.0, 0.02)
            found.append(Pass(str(network), latency, float(slow)))
    return found


@pytest.mark.parametrize("slope", [0.8, 1.2])
def test_repeated_passes_tell_how_a_backend_feels_the_host(slope: float) -> None:
    found = steady_latencies(passes(slope))
    assert len(found) == 20
    errors = [math.log(f.latency_s / 1e-3) for f in found.values()]
    assert np.std(errors) < 0.03
    raw = [p.log_latency - math.log(1e-3) for p in passes(slope)]
    assert np.std(raw) > 0.1


def test_networks_of_short_kernels_may_feel_the_host_more() -> None:
    large, small = passes(1.0), [p._replace(network=f"s{p.network}", short=0.4) for p in passes(1.5, seed=1)]
    found = steady_latencies([*large, *small])
    for kind in ("", "s"):
        errors = [math.log(found[f"{kind}{n}"].latency_s / 1e-3) for n in range(20)]
        assert np.std(errors) < 0.03


def test_many_kernels_in_little_time_are_short() -> None:
    assert shortness(20e-6, 1) == pytest.approx(0.5)
    assert shortness(1.0, 100) < 0.01 < shortness(1e-3, 100)
    assert shortness(1e-3, 0) < 0.1


def test_without_repeated_passes_all_is_as_slow_as_the_canary() -> None:
    found = steady_latencies([Pass("a", math.log(1.1e-3), math.log(1.1))])
    assert found["a"].latency_s == pytest.approx(1e-3)
    assert found["a"].low_s < 1e-3 < found["a"].high_s


def test_more_passes_narrow_the_interval() -> None:
    one, four = (steady_latencies(passes(1.0, each=n))["0"] for n in (1, 4))
    assert math.log(four.high_s / four.low_s) < 0.6 * math.log(one.high_s / one.low_s)


def test_one_pass_that_met_something_else_does_not_move_the_slope() -> None:
    disturbed = [*passes(1.0), Pass("0", math.log(3e-3), 0.0)]
    found = steady_latencies(disturbed)
    assert found["5"].latency_s == pytest.approx(1e-3, rel=0.05)


def test_a_kernel_that_is_off_in_one_process_tells_nothing() -> None:
    usual = readings([block(1e-3, 1.1)] * 4, REFERENCE)
    odd = readings([block(1e-3, 1.1, arithmetic=1.5)] * 4, REFERENCE)
    assert max(odd) > max(usual) + 0.3
    assert slowness([odd, usual]) == pytest.approx(math.log(1.1))


def test_an_interrupted_block_counts_for_little() -> None:
    blocks = [block(1e-3, 1.0)] * 9 + [block(1.0, 50.0)]
    assert log_latency(blocks) == pytest.approx(math.log(1e-3), abs=0.06)
    assert slowness([readings(blocks, REFERENCE)]) == pytest.approx(0.0, abs=0.06)


def test_without_a_canary_nothing_is_corrected() -> None:
    silent = [Block(0, 0.0, (1e-3,))]
    assert readings(silent, REFERENCE) == []
    assert slowness([[], []]) == 0.0


def test_another_device_is_corrected_as_far_as_its_passes_follow_the_canary() -> None:
    alone = steady_latencies([Pass("a", math.log(1e-3), math.log(1.3))], "gpu")
    assert alone["a"].latency_s == pytest.approx(1e-3)
    for slope in (0.0, 1.0):
        found = steady_latencies(passes(slope), "gpu")
        assert np.std([math.log(f.latency_s / 1e-3) for f in found.values()]) < 0.03


def test_an_interval_knows_how_badly_few_passes_tell_the_noise() -> None:
    """Without repeated passes: Student's t with the four degrees of freedom that the usual 5 % is worth."""
    found = steady_latencies([Pass("a", math.log(1e-3), 0.0)])["a"]
    assert math.log(found.high_s / 1e-3) == pytest.approx(t.ppf(0.975, 4) * 0.05)
    assert math.log(1e-3 / found.low_s) == pytest.approx(t.ppf(0.975, 4) * 0.05)


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(40):
        made = [
            Pass(str(n), math.log(1e-3) + rng.normal(0.0, 0.05), 0.0)
            for n in range(20)
            for _ in range(1 + n % 3)
        ]
        held += [found.low_s <= 1e-3 <= found.high_s for found in steady_latencies(made).values()]
    assert 0.92 <= np.mean(held) <= 0.98
