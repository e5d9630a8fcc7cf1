"""Estimates, comparisons and verdicts, on simulated hosts whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import t
from simulation import CANARY, SimulatedHost, interleaved, measurement

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Block
from hwnas.measuring.combining import DrawnPass, combine, variance_between
from hwnas.measuring.drift import (
    LASTING_SLOPE,
    SLOPE_SD,
    USUAL_SLOPE,
    USUAL_SLOPES,
    BlockSeries,
    fit_drift,
    seen_share,
    usual_slope,
)
from hwnas.measuring.statistics import (
    MARGIN,
    PASS_SPREAD,
    PROCESS_SPREAD,
    Verdict,
    _huber_mean,
    compare,
    estimate,
    judge,
)


def test_the_corrected_latency_repeats_four_times_better_than_the_raw_median():
    raw, corrected = [], []
    for seed in range(8):
        passes = interleaved(seed, {"a": 8e-3}, passes=1, rounds=30, dwell=1.5)["a"]
        found = estimate(passes, CANARY)
        raw.append(found.raw_median_s)
        corrected.append(found.latency_s)
    assert np.std(raw) / np.mean(raw) > 0.03
    assert np.std(corrected) / np.mean(corrected) < 0.25 * np.std(raw) / np.mean(raw)


def test_the_corrected_latency_is_the_one_at_the_reference_speed():
    found = estimate(interleaved(3, {"a": 8e-3}, rounds=30)["a"], CANARY)
    assert found.latency_s == pytest.approx(8e-3, rel=0.02)
    slower_reference = {k: v * 1.1 for k, v in CANARY.items()}
    slower = estimate(interleaved(3, {"a": 8e-3}, rounds=30)["a"], slower_reference)
    assert slower.latency_s > found.latency_s * 1.04


def test_the_interval_contains_the_truth_most_of_the_time():
    hits = 0
    for seed in range(40):
        found = estimate(interleaved(seed, {"a": 5e-3}, rounds=12)["a"], CANARY)
        hits += found.low_s <= 5e-3 * 1.004 and found.high_s >= 5e-3 * 0.996
        assert found.low_s < found.latency_s < found.high_s
    assert hits >= 34


def test_two_equal_arms_are_the_same():
    verdicts = []
    for seed in range(40):
        found = interleaved(seed, {"a": 8e-3, "b": 8e-3}, passes=5, rounds=20, contention=0.08)
        verdicts.append(compare(found["a"], found["b"]).verdict)
    assert verdicts.count(Verdict.SAME) >= 38
    assert Verdict.FASTER not in verdicts
    assert Verdict.SLOWER not in verdicts


def test_five_percent_are_found():
    verdicts = []
    for seed in range(20):
        found = interleaved(seed, {"a": 8e-3, "b": 8e-3 * 1.05}, passes=5, rounds=20, contention=0.08)
        verdicts.append(compare(found["a"], found["b"]).verdict)
    assert verdicts.count(Verdict.SLOWER) >= 18


def test_a_comparison_is_symmetric():
    found = interleaved(1, {"a": 8e-3, "b": 4e-3})
    forth, back = compare(found["a"], found["b"]), compare(found["b"], found["a"])
    assert forth.verdict is Verdict.FASTER
    assert back.verdict is Verdict.SLOWER
    assert forth.speedup * back.speedup == pytest.approx(1, rel=1e-9)
    assert forth.low < 2 < forth.high


def test_passes_that_disagree_widen_the_interval():
    together = interleaved(5, {"a": 8e-3}, passes=2)["a"]
    apart = [together[0], measurement("a", 1, SimulatedHost(9).turn(12e-3, 0.6, 0, turn_s=2.0), "other")]
    narrow, wide = estimate(together, CANARY), estimate(apart, CANARY)
    assert wide.high_s / wide.low_s > 3 * (narrow.high_s / narrow.low_s - 1) + 1


def _steady(backend: str, passes: int):
    """Passes of one second a call, to the last digit: what is left is what passes usually differ."""
    blocks = [Block(round_, float(round_), (1.0,), CANARY, CANARY) for round_ in range(12)]
    return [measurement(backend, index, blocks, f"g{index}") for index in range(passes)]


@pytest.mark.parametrize("passes", [1, 2, 3, 8])
def test_steady_latencies_are_known_as_well_as_passes_usually_agree_and_speedups_as_processes_do(passes):
    """The usual spread counts as two more passes, and the passes that were measured have none."""
    one, other = _steady("a", passes), _steady("b", passes)
    shrunk = np.sqrt(2 / (passes + 1) / passes)
    found = estimate(one, CANARY)
    half = t.ppf(0.975, passes + 1) * PASS_SPREAD * shrunk
    assert np.log([found.low_s, found.latency_s, found.high_s]) == pytest.approx([-half, 0.0, half])
    ratio = compare(one, other)
    half = t.ppf(0.975, passes + 1) * PROCESS_SPREAD * np.sqrt(2) * shrunk
    assert np.log([ratio.low, ratio.speedup, ratio.high]) == pytest.approx([-half, 0.0, half])


def test_what_is_asked_of_a_latency_says_which_interval():
    passes = _steady("a", 3)
    usual = np.log(estimate(passes, CANARY).high_s)
    as_processes = np.log(estimate(passes, CANARY, spread=PROCESS_SPREAD).high_s)
    assert as_processes == pytest.approx(usual * PROCESS_SPREAD / PASS_SPREAD)
    wider = np.log(estimate(passes, CANARY, interim=True).high_s)
    assert wider == pytest.approx(usual * t.ppf(0.995, 4) / t.ppf(0.975, 4))


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_latencys_interval_holds_where_passes_differ_as_they_were_seen_to(passes):
    """By 3 to 5 %, however steady the rounds of each are (docs/benchmarks.md, repeatability)."""
    rng = np.random.default_rng(passes)
    held = 0
    for seed in range(100):
        found = []
        for index in range(passes):
            host = SimulatedHost(10 * seed + index, contention=0.0)
            level = 8e-3 * np.exp(0.035 * rng.normal())
            blocks = [b for round_ in range(8) for b in host.turn(level, 0.6, round_, turn_s=0.05)]
            found.append(measurement("a", index, blocks, f"g{index}"))
        told = estimate(found, CANARY)
        held += told.low_s <= 8e-3 <= told.high_s
    assert held >= 90


def test_a_latency_without_canary_is_left_as_it_was():
    blocks = SimulatedHost(0, contention=0.0).turn(8e-3, 0.6, 0, turn_s=1.0)
    bare = [type(b)(b.round, b.start_s, b.samples_s) for b in blocks]
    found = estimate([measurement("a", 0, bare, "g")], CANARY)
    assert found.latency_s == pytest.approx(8e-3, rel=0.01)


def test_outliers_do_not_move_the_latency():
    quiet = interleaved(2, {"a": 8e-3}, passes=1, contention=0.0)["a"][0]
    blocks = list(quiet.blocks)
    spoiled = [
        type(b)(b.round, b.start_s, tuple(10 * s for s in b.samples_s), b.canary_before_s, b.canary_after_s)
        if i % 12 == 0
        else b
        for i, b in enumerate(blocks)
    ]
    found = estimate([measurement("a", 0, spoiled, "g")], CANARY)
    assert found.latency_s == pytest.approx(8e-3, rel=0.02)
    assert found.samples == len(quiet.samples_s)


def test_the_slope_is_that_of_the_network():
    for slope in (0.3, 1.1):
        blocks = interleaved(4, {"a": 8e-3}, passes=1, slope=slope)["a"][0].blocks
        assert fit_drift([BlockSeries.of(blocks)])[0].slope == pytest.approx(slope, abs=0.15)


def test_a_pass_far_from_the_reference_speed_counts_less():
    """A pass in the slow state throughout says nothing of the slope; the usual one is wrong by 0.35 here."""
    passes = []
    for index in range(4):
        host = SimulatedHost(index, dwell=1e9)
        host.slow = index == 0
        blocks = [b for round_ in range(12) for b in host.turn(8e-3, 1.1, round_)]
        passes.append(measurement("a", index, blocks, f"g{index}"))
    alone, all_four = estimate(passes[:1], CANARY), estimate(passes, CANARY)
    assert alone.latency_s == pytest.approx(8e-3 * np.exp(0.35 * 0.25), rel=0.03)
    assert alone.low_s < 8e-3 < alone.high_s
    assert all_four.latency_s == pytest.approx(8e-3, rel=0.02)


def test_the_canary_says_nothing_of_other_devices():
    assert usual_slope("openvino:gpu:fp16") == usual_slope("openvino:npu:fp16") == 0
    assert usual_slope("openvino:cpu:fp32") == USUAL_SLOPES["openvino"]
    assert usual_slope("torch-mkldnn:cpu:fp32") == USUAL_SLOPES["torch"]


def test_samples_of_several_calls_make_long_blocks():
    blocks = interleaved(4, {"a": 1e-4}, passes=1)["a"][0].blocks
    assert BlockSeries.of(blocks, 10).block_s == pytest.approx(10 * BlockSeries.of(blocks).block_s)


def test_few_blocks_lean_on_the_usual_slope_and_say_how_little_they_know():
    blocks = SimulatedHost(1).turn(8e-3, 2.0, 0, turn_s=0.03)
    fit = fit_drift([BlockSeries.of(blocks)])[0]
    assert fit.slope == pytest.approx(USUAL_SLOPE, abs=0.3)
    assert fit.level_slope_error > SLOPE_SD / 2


def test_what_is_usual_depends_on_the_runtime():
    assert usual_slope("torch:cpu:fp32") == usual_slope("torch-channels-last:cpu:fp32") > USUAL_SLOPE
    assert usual_slope("openvino:cpu:fp32") < USUAL_SLOPE == usual_slope("theirs:cpu:fp32")
    slow = SimulatedHost(3, dwell=1e9)
    slow.slow = True
    blocks = [b for round_ in range(12) for b in slow.turn(8e-3, 1.0, round_)]
    torch, openvino = (
        estimate([measurement(f"{name}:cpu:fp32", 0, blocks, "g")], CANARY) for name in ("torch", "openvino")
    )
    assert torch.latency_s / openvino.latency_s == pytest.approx(np.exp((0.6 - 1.1) * 0.25), rel=0.03)


def test_the_error_of_the_slope_does_not_shrink_with_passes_that_share_it():
    """Hosts that never meet the reference speed: the correction leans on a slope that nobody could see."""
    slow = []
    for index in range(3):
        host = SimulatedHost(index, dwell=1e9)
        host.slow = True
        blocks = [b for round_ in range(12) for b in host.turn(8e-3, 0.8, round_)]
        slow.append(measurement("a", index, blocks, f"g{index}"))
    found = estimate(slow, CANARY)
    half_width = (found.high_s - found.low_s) / 2 / found.latency_s
    assert half_width == pytest.approx(1.96 * SLOPE_SD * 0.25, rel=0.2)


def test_two_glimpses_tell_little_of_a_long_block():
    assert seen_share(0.012) > 0.95
    assert seen_share(1.0) < 0.06
    # Calls of a second, on a host that changes its speed every 25 ms: each meets both states half of the time;
    # what its two readings say beyond that is the canary's luck.
    host = SimulatedHost(7, contention=0.2, dwell=0.025)
    both = float(np.exp(LASTING_SLOPE * 0.2 / 2))
    blocks = [b for round_ in range(6) for b in host.turn(both, 0.0, round_, turn_s=1.5)]
    assert fit_drift([BlockSeries.of(blocks)], usual_slope("torch:cpu:fp32"))[0].slope < 0.1
    found = estimate([measurement("torch:cpu:fp32", 0, blocks, "g")], CANARY)
    assert found.latency_s == pytest.approx(1.0, rel=0.03)
    assert found.low_s < 1.0 < found.high_s


@pytest.mark.parametrize(("slow", "latency_s"), [(False, 1.0), (True, 1.0), (True, 8e-3)])
def test_a_host_that_is_slow_throughout_makes_no_network_slow(slow, latency_s):
    host = SimulatedHost(3, contention=0.2, dwell=1e9)
    host.slow = slow
    blocks = [b for round_ in range(6) for b in host.turn(latency_s, 0.8, round_, turn_s=1.5 * latency_s)]
    found = estimate([measurement("theirs:cpu:fp32", 0, blocks, "g")], CANARY)
    assert found.latency_s == pytest.approx(latency_s, rel=0.02)
    assert found.raw_median_s > 1.1 * latency_s or not slow


def test_a_canary_that_starts_from_memory_says_nothing_of_the_speed():
    quiet = SimulatedHost(5, contention=0.0)
    blocks = [b for round_ in range(10) for b in quiet.turn(8e-3, 0.6, round_)]
    cold = [
        replace(
            b,
            canary_before_s={k: 4 * v for k, v in b.canary_before_s.items()},
            canary_after_s={k: 4 * v for k, v in b.canary_after_s.items()},
        )
        for b in blocks
    ]
    found = estimate([measurement("openvino:cpu:fp32", 0, cold, "g")], CANARY)
    assert 8e-3 / 1.5 < found.latency_s < 8e-3
    assert found.low_s < found.latency_s * 0.9


def test_preemptions_are_told_by_the_second():
    blocks = [Block(0, 0.0, (0.5, 0.5), {}, {}, preemptions=3), Block(1, 1.0, (1.0,), {}, {}, preemptions=None)]
    assert estimate([measurement("a", 0, blocks, "g")], None).preemptions_per_s == 3.0
    assert estimate([measurement("a", 0, blocks[1:], "g")], None).preemptions_per_s is None


def test_different_cells_are_never_averaged():
    found = interleaved(1, {"a": 8e-3, "b": 8e-3})
    with pytest.raises(UsageError, match="different cells"):
        estimate([*found["a"], *found["b"]], CANARY)


def test_arms_that_never_met_are_not_compared():
    first, second = interleaved(1, {"a": 8e-3})["a"], interleaved(2, {"b": 8e-3})["b"]
    with pytest.raises(UsageError, match="share no pass"):
        compare(first, second)


def test_nothing_measured_is_an_error_and_not_a_number():
    with pytest.raises(UsageError, match="no samples"):
        estimate([], CANARY)


@pytest.mark.parametrize(
    ("speedup", "low", "high", "verdict"),
    [
        (1.10, 1.05, 1.15, Verdict.FASTER),
        (0.90, 0.85, 0.95, Verdict.SLOWER),
        (1.00, 0.99, 1.01, Verdict.SAME),
        (1.01, 1.005, 1.015, Verdict.SAME),
        (1.00, 0.90, 1.10, Verdict.UNCLEAR),
        (1.10, 0.98, 1.20, Verdict.UNCLEAR),
        (1.01, 1.001, 1.04, Verdict.UNCLEAR),
    ],
)
def test_judge(speedup, low, high, verdict):
    assert judge(speedup, low, high) is verdict
    mirrored = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}.get(verdict, verdict)
    assert judge(1 / speedup, 1 / high, 1 / low) is mirrored


def test_the_margin_lies_between_equal_and_five_percent():
    assert 0 < MARGIN < 0.05


def _pass(value: float, sd: float = 0.0, rounds: int = 24, rng: np.random.Generator | None = None) -> DrawnPass:
    """A pass whose value has a normal error; draws of eight runs of rounds know 7/8 of its variance."""
    draws = np.full(2000, value)
    if rng is not None:
        draws = draws + sd * np.sqrt(7 / 8) * rng.standard_normal(2000)
    return DrawnPass(value, draws, rounds)


def test_one_steady_pass_is_known_as_well_as_processes_usually_are():
    """Nothing is known but the usual spread, which counts as two passes: Student's t of two degrees."""
    centre, low, high = combine([_pass(1.0)], 0.01)
    half = t.ppf(0.975, 2) * 0.01
    assert (centre, low, high) == pytest.approx((1.0, 1.0 - half, 1.0 + half))
    centre, low, high = combine([_pass(1.0)], 0.01, tail=0.5)
    assert high - 1.0 == pytest.approx(t.ppf(0.995, 2) * 0.01)


def test_steady_passes_are_combined_with_the_usual_spread_as_with_two_more():
    values = np.array([0.02, -0.01, 0.03, 0.00, -0.04])
    centre, low, high = combine([_pass(v) for v in values], 0.01)
    variance = (2 * 0.01**2 + 4 * values.var(ddof=1)) / 6
    half = t.ppf(0.975, 6) * np.sqrt(variance / 5)
    assert centre == pytest.approx(values.mean())
    assert (centre - low, high - centre) == pytest.approx((half, half))


def test_the_moments_find_the_variance_between_passes():
    rng = np.random.default_rng(0)
    own = np.array([1.0, 2.0, 4.0, 0.5])
    found = []
    for _ in range(4000):
        values = rng.normal(0.0, np.sqrt(9.0 + own))
        found.append(variance_between(values, own, 1 / (own + 4.0)))
    # Cut at 0 now and then, so a little too large.
    assert np.mean(found) == pytest.approx(9.0, rel=0.06)


@pytest.mark.parametrize("passes", [1, 2, 3, 6])
def test_intervals_over_passes_hold_as_often_as_they_say(passes):
    """Processes differ as usual, and what rounds tell of a pass is as uncertain."""
    rng = np.random.default_rng(passes)
    held = []
    for _ in range(600):
        found = [_pass(rng.normal(0.0, 0.01) + rng.normal(0.0, 0.01), 0.01, rng=rng) for _ in range(passes)]
        _, low, high = combine(found, 0.01)
        held.append(low <= 0.0 <= high)
    assert 0.93 <= np.mean(held) <= 0.998


def test_an_interval_holds_its_centre_whatever_the_draws_look_like():
    """Ten of two thousand draws differ: both percentiles lie below the draws' mean."""
    draws = np.zeros(2000)
    draws[:10] = 1.0
    centre, low, high = combine([DrawnPass(0.0, draws, 24)], 0.01)
    assert low < centre < high


def test_hubers_location_is_where_its_influences_cancel():
    """Found here by bisection: the sum of the influences, cut at 1.5 scales of the median, is 0."""
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(1.0, 0.1, (5, 20)), rng.normal(3.0, 1.0, (5, 3))], axis=1)
    for row, found in zip(rows, _huber_mean(rows), strict=True):
        scale = 1.4826 * np.median(np.abs(row - np.median(row)))

        def influence(centre, row=row, scale=scale):
            return np.clip((row - centre) / scale, -1.5, 1.5).sum()

        assert found == pytest.approx(brentq(influence, row.min(), row.max()), abs=1e-3 * scale)
    # What is the same in all rounds is its own location.
    assert _huber_mean(np.full((2, 6), 0.25)) == pytest.approx([0.25, 0.25])
