"""Rules, each on a host that differs from the study's in the one thing that it must notice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claim_cases import PAPER_CACHE, PMU, Case, altered, findings
from claim_worlds import DEPTHS, RIGHT, WIDTHS
from report_lab import OPENVINO, TORCH

from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.catalogue import CLAIMS

HOLDS, UNCLEAR, NOT = ClaimVerdict.HOLDS, ClaimVerdict.UNCLEAR, ClaimVerdict.DOES_NOT_HOLD


def _like(mapping, **changes):
    return {**mapping, **changes}


def _darts(over: tuple[float, float]):
    return findings(replace(RIGHT, darts_over=over).real())["darts-500-onednn"]


def test_forcing_onednn_must_reduce_the_gain_and_not_only_leave_about_five() -> None:
    assert _darts((5.0, 12.0)).verdict is HOLDS
    grown = _darts((5.0, 4.0))
    assert grown.verdict is NOT
    assert "5x" in grown.here
    assert "4x" in grown.here
    assert grown.value.value == pytest.approx(1.25)
    assert grown.value.low > 1
    # Reduced, and to something else.
    assert _darts((8.0, 12.0)).verdict is NOT
    assert _darts((5.0, 5.02)).verdict is UNCLEAR


def test_a_rival_that_is_second_but_hardly_known_may_be_the_first() -> None:
    networks = _like(RIGHT.networks, resnet18=(3.0, 9.0), resnet34=(4.0, 8.0))
    cases = list(replace(RIGHT, networks=networks).real())
    close = findings(cases)
    assert close["mobilenet-fastest"].verdict is HOLDS
    assert close["darts-most"].verdict is HOLDS
    wide = findings(altered(cases, lambda c: replace(c, half_width=1.0), name="resnet34"))
    assert wide["mobilenet-fastest"].verdict is UNCLEAR
    assert wide["darts-most"].verdict is UNCLEAR
    assert {p.name: p.verdict for p in wide["mobilenet-fastest"].parts}["resnet18 over mobilenet_v2"] is HOLDS


def test_of_six_patterns_every_rival_counts() -> None:
    def wider(case: Case) -> Case:
        return replace(case, half_width=1.5)

    found = findings(altered(RIGHT.cases, wider, name="grouped", batch=1))
    # 3.0 against 5.0 and 5.5; the depthwise ones are closer to each other.
    assert found["depthwise-bottleneck-most"].verdict is UNCLEAR
    assert found["depthwise-most"].verdict is UNCLEAR
    assert found["depthwise-most-over-width"].verdict is UNCLEAR
    # The flattest of the steep ones is known; one of the others is not.
    shaky = findings(
        altered(RIGHT.cases, lambda c: replace(c, half_width=9.0), name="standard", width=WIDTHS[-1])
    )
    assert shaky["two-families-over-width"].verdict is UNCLEAR


def test_a_bottleneck_that_is_slower_but_scales_better_refutes_that_it_scales_worse() -> None:
    steeper = findings(RIGHT.cases)["bottleneck-worst-over-width"]
    assert steeper.verdict is HOLDS
    assert "four times as many outside" in steeper.note
    flatter = replace(
        RIGHT,
        narrow=_like(RIGHT.narrow, bottleneck=4.0),
        width_exponents=_like(RIGHT.width_exponents, bottleneck=1.7),
    )
    found = findings(flatter.cases)["bottleneck-worst-over-width"]
    assert found.verdict is NOT
    levels = [p for p in found.parts if "over standard" in p.name]
    assert {p.verdict for p in levels} == {HOLDS}


def test_standard_convolution_must_miss_less_accelerated_too() -> None:
    assert findings(RIGHT.cases)["standard-less"].verdict is HOLDS
    more = findings(replace(RIGHT, misses=_like(RIGHT.misses, standard=0.9)).cases)
    assert more["standard-less"].verdict is NOT


@pytest.mark.parametrize(("over_width", "verdict"), [(1.5, HOLDS), (0.5, NOT), (8.0, NOT)])
def test_over_width_misses_must_improve_by_less(over_width: float, verdict: ClaimVerdict) -> None:
    found = findings(replace(RIGHT, misses_over_width=over_width).cases)
    assert found["fewer-misses-less-over-width"].verdict is verdict
    assert found["fewer-misses-over-width"].verdict is (HOLDS if over_width > 1 else NOT)


def _renamed(case: Case, *kinds: tuple[str, str | None]) -> Case:
    """The counts on the study's cache as those of others, and no other counts."""
    counts = {
        arm: {kind: found[PAPER_CACHE] for kind in kinds if PAPER_CACHE in found}
        for arm, found in case.counts.items()
    }
    return replace(case, counts=counts)


def test_misses_over_depth_and_width_are_compared_on_one_cache() -> None:
    other = ("model", "1048576,16,64")
    over_depth, over_width = list(RIGHT.over_depth()), [_renamed(c, other) for c in RIGHT.over_width()]
    apart = findings([*over_depth, *over_width])
    less = apart["fewer-misses-less-over-width"]
    assert less.verdict is ClaimVerdict.NOT_MEASURED
    assert "4194304" in less.note
    assert "1048576" in less.note
    assert apart["fewer-misses"].verdict is apart["fewer-misses-over-width"].verdict is HOLDS
    both = findings([*(_renamed(c, other, PAPER_CACHE) for c in over_depth), *over_width])
    assert both["fewer-misses-less-over-width"].verdict is HOLDS
    assert "4194304" not in both["fewer-misses-less-over-width"].note
    assert "4194304" in both["fewer-misses"].note


def _counting(native: float, accelerated: float):
    def change(case: Case) -> Case:
        arms = {TORCH: native, OPENVINO: accelerated}
        own = {arm: {**found, PAPER_CACHE: arms.get(arm, 0.0)} for arm, found in case.counts.items()}
        return replace(case, counts=own)

    return change


def test_one_network_that_misses_more_over_width_refutes_it_and_is_named() -> None:
    found = findings(altered(RIGHT.cases, _counting(10.0, 11.0), name="factorized", width=128))
    assert found["fewer-misses-over-width"].verdict is NOT
    assert "factorized d10 w128" in found["fewer-misses-over-width"].here
    assert found["fewer-misses"].verdict is HOLDS
    assert found["fewer-misses-less-over-width"].verdict is HOLDS
    equal = findings(altered(RIGHT.cases, _counting(10.0, 10.0), name="factorized", width=128))
    assert equal["fewer-misses-over-width"].verdict is NOT


def test_a_count_of_zero_on_one_side_makes_no_ratio_but_tells_which_side_misses_less() -> None:
    name = "depthwise_bottleneck"
    fewer = findings(altered(RIGHT.cases, _counting(1e6, 0.0), name=name, depth=DEPTHS[0], batch=1))
    tenfold = fewer["depthwise-bottleneck-tenfold"]
    assert tenfold.value.value == pytest.approx(10.0)
    assert "with misses on torch:cpu:fp32 alone left out of means" in tenfold.note
    assert f"{name} d10 w64" in tenfold.note
    assert fewer["fewer-misses"].verdict is HOLDS
    more = findings(altered(RIGHT.cases, _counting(0.0, 5.0), name=name, depth=DEPTHS[0], batch=1))
    assert more["depthwise-bottleneck-tenfold"].verdict is HOLDS
    assert more["fewer-misses"].verdict is NOT
    assert f"{name} d10 w64" in more["fewer-misses"].here


def test_networks_that_miss_nothing_on_either_side_are_counted_in_the_note() -> None:
    found = findings(altered(RIGHT.cases, _counting(0.0, 0.0), name="grouped", depth=DEPTHS[0], batch=1))
    assert found["fewer-misses"].verdict is HOLDS
    assert "1 network without misses on either backend left out" in found["fewer-misses"].note


def test_where_nothing_misses_accelerated_that_is_a_number_too() -> None:
    found = findings([_counting(10.0, 0.0)(c) for c in RIGHT.cases])["fewer-misses"]
    assert (found.verdict, found.value.value) == (HOLDS, 0)
    assert found.value.counted
    assert [p.name for p in found.parts] == ["networks that miss more accelerated"]
    assert found.here == "no misses accelerated"


def test_where_only_acceleration_misses_means_do_not_exist() -> None:
    found = findings(replace(RIGHT, misses_over_width=0.0).cases)
    assert found["fewer-misses-less-over-width"].verdict is ClaimVerdict.NOT_MEASURED
    assert found["fewer-misses-over-width"].verdict is NOT
    assert found["fewer-misses"].verdict is HOLDS


def test_operation_counts_predict_over_width_where_latency_follows_them_for_each_pattern() -> None:
    found = findings(replace(RIGHT, width_exponents=_like(RIGHT.width_exponents, grouped=-0.2)).cases)
    assert found["macs-predict-over-width"].verdict is NOT
    assert "grouped" in found["macs-predict-over-width"].here
    bumpy = findings(altered(RIGHT.cases, lambda c: c.times_as_long(50.0, TORCH), name="standard", width=128))
    assert bumpy["macs-predict-over-width"].verdict is NOT
    assert "standard on torch" in bumpy["macs-predict-over-width"].here


def test_operation_counts_that_order_the_patterns_refute_that_they_do_not() -> None:
    macs = [36864, 24576, 69632, 4672, 2624, 4608]
    native = dict(zip(RIGHT.native, (m / 1e4 for m in macs), strict=True))
    found = findings(replace(RIGHT, native=native).cases)
    assert found["macs-do-not-order-patterns"].verdict is NOT
    assert found["macs-do-not-order-patterns"].value.value == pytest.approx(1.0)
    assert found["fewest-macs-yet-slow"].verdict is NOT
    assert found["depthwise-separable-slow"].verdict is NOT


def test_a_gap_must_be_there_and_grow() -> None:
    slower = dict.fromkeys(RIGHT.speedup, 0.9)
    # Slower everywhere, and least at the greatest depth: the difference grows, and is no gap.
    catching_up = findings(replace(RIGHT, speedup=slower, depth_exponent=0.9).cases)["gap-grows-with-depth"]
    assert {p.verdict for p in catching_up.parts if "growth" in p.name} == {HOLDS}
    assert catching_up.verdict is NOT
    assert "lies above 0" in next(c.rule for c in CLAIMS if c.id == "gap-grows-with-depth")
    # Faster everywhere, by less and less.
    less = dict.fromkeys(RIGHT.speedup, 1.1)
    shrinking = findings(replace(RIGHT, depth_exponent=-1.2, speedup=less).cases)
    assert shrinking["gap-grows-with-depth"].verdict is NOT
    assert {p.verdict for p in shrinking["gap-grows-with-depth"].parts if ", depth 50" in p.name} == {HOLDS}


def test_a_gap_of_seconds_is_told_without_an_exponent() -> None:
    slow = findings(replace(RIGHT, native={p: 1000 * ms for p, ms in RIGHT.native.items()}).cases)
    # Of 5 s natively, and 5 s / 2.2 accelerated.
    assert "to 2730 ms" in slow["gap-grows-with-depth"].here
    assert "e+" not in slow["gap-grows-with-depth"].here


@pytest.mark.parametrize(
    ("arm", "factor", "refuted"),
    [
        (OPENVINO, 2.0, {"accelerated-constant-over-batch", "speedup-grows-with-batch"}),
        (OPENVINO, 0.5, {"accelerated-constant-over-batch"}),
        (TORCH, 0.4, {"native-slows-with-batch", "speedup-grows-with-batch"}),
    ],
)
def test_batches_between_the_smallest_and_the_largest_count(
    monkeypatch: pytest.MonkeyPatch, arm: str, factor: float, refuted: set[str]
) -> None:
    monkeypatch.setattr("claim_worlds.BATCHES", (1, 8, 32))
    every = {"accelerated-constant-over-batch", "native-slows-with-batch", "speedup-grows-with-batch"}
    straight = findings(RIGHT.cases)
    assert {straight[name].verdict for name in every} == {HOLDS}
    found = findings(altered(RIGHT.cases, lambda c: c.times_as_long(factor, arm), name="grouped", batch=8))
    assert {name for name in every if found[name].verdict is not HOLDS} == refuted
    for name in refuted:
        assert found[name].verdict is NOT
        assert "grouped, batch 8" in found[name].here
        assert len(found[name].parts) == 12


def test_the_time_at_batches_that_the_study_names_is_not_judged_at_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("claim_worlds.BATCHES", (1, 8))
    found = findings(RIGHT.cases)
    assert found["native-slows-with-batch"].verdict is HOLDS
    assert found["native-standard-300-to-500"].verdict is ClaimVerdict.NOT_MEASURED
    assert "no batch 32" in found["native-standard-300-to-500"].note
    monkeypatch.setattr("claim_worlds.BATCHES", (1, 32, 64))
    larger = findings(altered(RIGHT.cases, lambda c: c.times_as_long(9.0, TORCH), name="standard", batch=64))
    assert larger["native-standard-300-to-500"].verdict is HOLDS


@pytest.mark.parametrize(("gain", "verdict"), [(5.0, HOLDS), (8.0, NOT), (3.0, NOT)])
def test_fifty_layers_that_take_much_less_than_ten_do_not_take_as_long(
    gain: float, verdict: ClaimVerdict
) -> None:
    found = findings(replace(RIGHT, speedup=_like(RIGHT.speedup, depthwise_separable=gain)).cases)
    assert found["fifty-like-ten"].verdict is verdict
    assert found["fifty-like-ten"].value.value == pytest.approx(5.0 / gain)


def test_the_gain_of_networks_must_follow_that_of_their_pattern() -> None:
    networks = _like(RIGHT.networks, resnext50_32x4d=(20.0, 6.0), resnext101_32x8d=(20.0, 6.0))
    found = findings(replace(RIGHT, networks=networks).cases)["gain-follows-pattern"]
    assert found.verdict is NOT
    assert "8 networks" in found.here


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"gpu_misses": 0.9}, "gpu-misses-more-yet-faster"),
        ({"gpu": 0.9}, "gpu-misses-more-yet-faster"),
        ({"gpu_over_width": (3.0, -0.3, 1.0)}, "wide-standard-needs-gpu"),
        ({"gpu_over_width": (0.8, 0.3, 1.0)}, "wide-standard-needs-gpu"),
        ({"gpu_over_width": (3.0, 0.3, 2.0)}, "depthwise-on-par-with-gpu"),
        ({"half": 1.1}, "sixteen-bit-no-gain"),
    ],
)
def test_each_half_of_a_claim_on_other_arms_counts(change: dict, claim: str) -> None:
    assert findings(replace(RIGHT, **change).cases)[claim].verdict is NOT


def test_networks_without_a_ratio_are_named_where_the_gpu_is_compared_too() -> None:
    def nothing(case: Case) -> Case:
        return replace(case, counts={**case.counts, OPENVINO: {PMU: 0.0}})

    cases = altered(RIGHT.cases, nothing, name="grouped", depth=DEPTHS[0], batch=1)
    found = findings(cases)["gpu-misses-more-yet-faster"]
    assert found.verdict is HOLDS
    assert "with misses on openvino:gpu:fp16 alone left out of means: grouped d10 w64" in found.note


def test_a_cache_without_a_known_geometry_is_told_by_its_source() -> None:
    cases = [_renamed(_counting(0.0, 0.0)(case), PMU) for case in RIGHT.cases]
    found = findings(cases)["fewer-misses"]
    assert found.verdict is ClaimVerdict.NOT_MEASURED
    assert "everything stays in the cache (misses by pmu)" in found.note
