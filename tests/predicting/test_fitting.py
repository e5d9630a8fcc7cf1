"""A predictor learned from a made-up runtime, whose law is known."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_kernels import convolution, network, pooling, training_set, true_time_s, view

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload
from hwnas.predicting import fitting
from hwnas.predicting.fitting import Accuracy, Fitted, fit_predictor, grouped_by_family
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import fit_kernel_model, lookups
from hwnas.predicting.kernel_times import UNSEEN_S, attributed_times
from hwnas.predicting.known_networks import known_networks, network_digest
from hwnas.predicting.network_model import NetworkModel, Sum, fit_network_model
from hwnas.predicting.network_shape import SHAPE
from hwnas.predicting.predictor import LatencyPredictor

HERE = Environment("A processor", "x86_64", 2, 2**34)
NEW = Workload("torchvision", "new", (1, 3, 56, 56))


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_predictor(training_set(noise=0.05), HERE, trees=12)


def facts(*kernels: Kernel) -> tuple[KernelFacts, ...]:
    return tuple(KernelFacts.of(k) for k in kernels)


def test_networks_of_unseen_families_are_predicted(fitted: Fitted) -> None:
    found = Accuracy.of(fitted.left_out)
    assert found.networks == 48
    assert found.rmspe < 0.10
    assert found.within_10 > 0.75
    assert found.coverage > 0.75


def test_a_new_network_gets_a_latency_with_an_interval(fitted: Fitted) -> None:
    kernels = (convolution(64, 128, 28), convolution(128, 128, 14, 1), pooling(128, 7), view())
    found = fitted.predictor.predict(NEW, kernels=facts(*kernels))
    true_s = sum(map(true_time_s, kernels))
    assert found.latency_s == pytest.approx(true_s, rel=0.25)
    assert found.low_s < found.latency_s < found.high_s
    assert found.in_range
    assert not found.warnings
    assert [k.source for k in found.kernels][-1] == "free"
    assert found.kernels[0].compute_s > 0
    assert sum(k.time_s for k in found.kernels) == pytest.approx(found.latency_s)


def test_a_kernel_that_was_measured_is_looked_up(fitted: Fitted) -> None:
    known = training_set(noise=0.05).networks[0].kernels
    # A network that nobody measured, of kernels that were.
    found = fitted.predictor.predict(NEW, kernels=known[:-3])
    assert {k.source for k in found.kernels} == {"measured"}
    assert found.share("measured") == pytest.approx(1.0)
    # As it was measured: what is learned of other kernels does not calibrate it.
    table = fitted.predictor.kernel_model.table
    times_s = [table[k.key].time_s for k in known[:-3]]
    alone = fitted.predictor.network_model.kernel_times_s(fitted.predictor.kernel_model.predict(known[:-3]))
    assert alone == pytest.approx(times_s, rel=1e-9)
    assert fitted.predictor.network_model.factor != 1.0
    assert sum(k.time_s for k in found.kernels) == pytest.approx(found.latency_s, rel=1e-9)


def test_a_network_that_was_measured_is_answered_as_it_was_measured(fitted: Fitted) -> None:
    one = training_set(noise=0.05).networks[0]
    # Neither the order nor what takes no time makes it another one.
    found = fitted.predictor.predict(NEW, kernels=(*reversed(one.kernels), *facts(view())))
    assert found.latency_s == pytest.approx(one.latency_s, rel=1e-9)
    assert one.low_s < found.low_s < found.latency_s < found.high_s < one.high_s
    assert sum(k.time_s for k in found.kernels) == pytest.approx(found.latency_s, rel=1e-9)
    assert fitted.predictor.predict(NEW, kernels=one.kernels[1:]).latency_s < one.latency_s
    # Where several are of the same kernels, it is the middle of them.
    free = fitted.predictor.kernel_model.free
    slow = replace(one, latency_s=4 * one.latency_s, low_s=4 * one.low_s, high_s=4 * one.high_s)
    assert known_networks([one, slow], free)[network_digest(one.kernels, free)].latency_s == pytest.approx(
        2 * one.latency_s
    )


def test_a_network_like_no_other_is_answered_with_its_own_latency() -> None:
    training = training_set(noise=0.05)
    first = training.networks[0]
    kernels = tuple(replace(k, padding=(9, 9)) for k in first.kernels)
    # One of them is too short to be seen.
    times_s = (None, *first.times_s[1:])
    own = replace(first, kernels=kernels, times_s=times_s, latency_s=2 * first.latency_s)
    networks = (own, *training.networks[1:])
    found = fit_predictor(replace(training, networks=networks), HERE, trees=5).predictor
    assert found.predict(NEW, kernels=kernels).latency_s == pytest.approx(own.latency_s, rel=1e-6)


def test_kernels_too_short_to_be_seen_are_learned_to_be_short() -> None:
    kernels = facts(*(convolution(16, 16 * n, 14) for n in range(1, 40)), view())
    seen = [1e-6 * n if n > 10 else None for n in range(1, 40)]
    first = training_set().networks[0]
    latency_s = sum(t for t in seen if t) + 10 * UNSEEN_S
    own = replace(first, kernels=kernels, times_s=(*seen, None), latency_s=latency_s)
    (times_s,), _ = attributed_times([own])
    assert times_s.sum() == pytest.approx(latency_s)
    assert times_s[-1] == 0
    model = fit_kernel_model(kernels, times_s, trees=20)
    assert model.table[kernels[0].key].time_s == pytest.approx(UNSEEN_S)
    unseen = model.predict(facts(convolution(16, 24, 14))).times_s[0]
    assert 0 < unseen < 1e-6


def test_batches_never_seen_are_out_of_range(fitted: Fitted) -> None:
    (one,) = facts(convolution(64, 128, 14))
    eight = replace(one, inputs=((8, *one.inputs[0][1:]), *one.inputs[1:]), output=(8, *one.output[1:]))
    assert fitted.predictor.predict(NEW, kernels=[one]).in_range
    assert not fitted.predictor.predict(NEW, kernels=[eight]).in_range


def test_a_kernel_larger_than_any_in_training_is_out_of_range_and_still_grows_with_its_work(
    fitted: Fitted,
) -> None:
    sizes = [fitted.predictor.predict(NEW, kernels=facts(convolution(512, 512, s))) for s in (112, 224)]
    assert not sizes[1].in_range
    assert "outside the range" in sizes[1].warnings[0]
    assert 2.5 < sizes[1].latency_s / sizes[0].latency_s < 6
    usual = fitted.predictor.predict(NEW, kernels=facts(convolution(64, 128, 28)))
    assert math.log(sizes[1].high_s / sizes[1].low_s) > math.log(usual.high_s / usual.low_s)


def test_an_operator_never_seen_is_named(fitted: Fitted) -> None:
    odd = Kernel.from_dict({**pooling(64, 7).to_dict(), "type": "FancyAttention", "implementation": "ref"})
    found = fitted.predictor.predict(NEW, kernels=facts(convolution(256, 256, 28), odd))
    assert "FancyAttention" in found.warnings[0]


def test_convolutions_of_other_dimensions_than_any_in_training_are_named(fitted: Fitted) -> None:
    """Their time is guessed from other convolutions', with a wide interval, and they are out of range."""
    image = convolution(64, 64, 28)
    shapes = {"input_shapes": [[1, 64, 4, 28, 28], [64, 64, 3, 3, 3]], "output_shapes": [[1, 64, 4, 28, 28]]}
    volume = Kernel.from_dict({**image.to_dict(), "attributes": {**image.attributes, **shapes}})
    few = facts(*(convolution(256, 256, 56) for _ in range(4)))
    usual = fitted.predictor.predict(NEW, kernels=(*few, *facts(image)))
    found = fitted.predictor.predict(NEW, kernels=(*few, *facts(volume)))
    assert "Convolution3d" in found.warnings[0]
    assert not found.kernels[-1].in_range
    assert found.kernels[-1].shapes == "1x64x4x28x28 -> 1x64x4x28x28 3x3x3"
    assert usual.kernels[-1].shapes == "1x64x28x28 -> 1x64x28x28 3x3"
    assert found.high_s / found.low_s > usual.high_s / usual.low_s


def test_a_network_of_operators_never_seen_is_refused(fitted: Fitted) -> None:
    odd = Kernel.from_dict({**pooling(64, 7).to_dict(), "type": "FancyAttention", "implementation": "ref"})
    with pytest.raises(CellError, match=r"FancyAttention.*guess"):
        fitted.predictor.predict(NEW, kernels=facts(odd, odd))


def test_a_type_never_seen_is_no_known_one_of_its_kind(fitted: Fitted) -> None:
    """A pooling of another name is guessed from poolings, and said to be."""
    odd = Kernel.from_dict({**pooling(64, 7).to_dict(), "type": "AdaptivePool", "implementation": "ref"})
    found = fitted.predictor.predict(NEW, kernels=facts(convolution(256, 256, 28), odd))
    assert "AdaptivePool" in found.warnings[0]
    assert [k.source for k in found.kernels] == ["learned", "borrowed"]


def test_a_kernel_counts_once_a_network() -> None:
    one, other = (KernelFacts.of(convolution(16, 16, s)) for s in (7, 14))
    found = lookups([one, one, one, one, other], np.array([1.0, 1.0, 1.0, 8.0, 0.0]), [0, 0, 0, 1, 1])
    assert set(found) == {one.key}
    assert found[one.key].count == 2
    assert found[one.key].time_s == pytest.approx(math.sqrt(8.0))


def test_networks_without_kernels_that_take_time_are_refused() -> None:
    with pytest.raises(UsageError, match="no kernel"):
        fit_kernel_model(facts(view(), view()), np.zeros(2))
    with pytest.raises(UsageError, match="take time"):
        fit_network_model([Sum(0.0, 0.0, 0, 1.0, 1.0)], [1.0])


def test_forests_of_another_predictor_are_refused(fitted: Fitted, tmp_path: Path) -> None:
    """As a kill between the two files leaves them."""
    folder = fitted.predictor.save(tmp_path / "predictor")
    few = training_set(families=2, noise=0.1)
    other = fit_predictor(few, HERE, trees=5).predictor.save(tmp_path / "other")
    (folder / "forests.npz").write_bytes((other / "forests.npz").read_bytes())
    with pytest.raises(UsageError, match="does not belong"):
        LatencyPredictor.load(folder)


def test_a_disk_that_is_full_leaves_the_predictor_that_is_there(
    fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fitted.predictor.save(tmp_path / "predictor")
    other = fit_predictor(training_set(families=2, noise=0.1), HERE, trees=5).predictor

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(UsageError, match="No space left"):
            other.save(folder)
    assert LatencyPredictor.load(folder, environment=HERE).networks == fitted.predictor.networks
    assert sorted(p.name for p in folder.iterdir()) == ["forests.npz", "predictor.json"]


def test_a_network_without_kernels_is_refused(fitted: Fitted) -> None:
    with pytest.raises(UsageError, match="takes time"):
        fitted.predictor.predict(NEW, kernels=facts(view()))


def test_it_is_the_same_after_the_disk(fitted: Fitted, tmp_path: Path) -> None:
    kernels = facts(convolution(64, 128, 28), pooling(128, 7))
    before = fitted.predictor.predict(NEW, kernels=kernels)
    for rest in (None, fit_network_model(*_shaped(200, 0, 0.4)).rest):
        own = copy(fitted.predictor)
        own.network_model = replace(own.network_model, rest=rest)
        folder = own.save(tmp_path / "predictor")
        again = LatencyPredictor.load(folder, environment=HERE)
        assert again.predict(NEW, kernels=kernels) == own.predict(NEW, kernels=kernels)
        assert again.known == own.known
    assert again.predict(NEW, kernels=kernels).latency_s != before.latency_s
    assert sorted(p.name for p in folder.iterdir()) == ["forests.npz", "predictor.json"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("predictor.json", "{", "cannot be read"),
        ("predictor.json", "[]", "schema None"),
        ("predictor.json", '{"schema": 99}', "schema 99"),
        ("forests.npz", "no archive", "cannot be read"),
        ("forests.npz", "", "cannot be read"),
    ],
)
def test_a_damaged_one_is_refused(fitted: Fitted, tmp_path: Path, file: str, text: str, message: str) -> None:
    folder = fitted.predictor.save(tmp_path / "predictor")
    (folder / file).write_text(text)
    with pytest.raises(UsageError, match=message):
        LatencyPredictor.load(folder)


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no predictor"):
        LatencyPredictor.load(tmp_path / "nothing")


def test_times_in_place_are_brought_to_the_latency() -> None:
    """The host was 30 % slower while the kernels were profiled."""
    networks = [network("alpha", seed, factor=1.3) for seed in range(6)]
    times, _ = attributed_times(networks)
    for one, own in zip(networks, times, strict=True):
        assert own.sum() == pytest.approx(one.latency_s)
        assert own[-1] == 0.0


def test_what_a_profiler_adds_to_each_kernel_is_found() -> None:
    networks = []
    for seed in range(20):
        one = network("alpha", seed)
        networks.append(replace(one, times_s=tuple(t and t + 2e-6 for t in one.times_s)))
    times, overhead_s = attributed_times(networks)
    assert overhead_s == pytest.approx(2e-6, rel=0.3)
    true = [t for t in network("alpha", 3).times_s if t]
    np.testing.assert_allclose(times[3][:-1], true, rtol=0.1)


def test_families_stay_together() -> None:
    networks = training_set().networks
    groups = grouped_by_family(networks, groups=4)
    by_family = {
        n.family: {g for m, g in zip(networks, groups, strict=True) if m.family == n.family} for n in networks
    }
    assert all(len(found) == 1 for found in by_family.values())
    assert set(groups) == {0, 1, 2, 3}


def test_networks_of_one_family_are_left_out_one_by_one() -> None:
    training = training_set(1, 12, noise=0.05)
    assert grouped_by_family(training.networks) == [*range(10), 0, 1]
    found = fit_predictor(training, HERE, trees=3).left_out
    # Were a network among those that are learned from, its kernels would be looked up, and no error be left.
    assert np.median([abs(o.error) for o in found]) > 1e-3


def test_what_must_not_be_learned_from_calibrates_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_set(families=4, members=3, noise=0.05)
    calibrated: list[set[float]] = []

    def told(sums: Sequence[Sum], latencies_s: Sequence[float], *more: Sequence[int]) -> NetworkModel:
        calibrated.append(set(latencies_s))
        return fit_network_model(sums, latencies_s, *more)

    monkeypatch.setattr(fitting, "fit_network_model", told)
    fit_predictor(
        training, HERE, trees=3, left_out_with=lambda n, left: n.family == "delta" and "alpha" in left
    )
    of = {f: {n.latency_s for n in training.networks if n.family == f} for f in ("beta", "gamma", "delta")}
    # Without alpha there is no delta; without any other family there are three, and in the end all.
    assert sorted(map(len, calibrated)) == [6, 9, 9, 9, 12]
    assert min(calibrated, key=len) == of["beta"] | of["gamma"]


def test_calibration_brings_predictions_to_what_was_measured() -> None:
    rng = np.random.default_rng(0)
    sums = [Sum(t, 0.0, 50, 0.02, 0.0) for t in rng.uniform(1e-3, 1e-2, 60)]
    latencies = [1.1 * s.time_s * math.exp(rng.normal(0, 0.03)) for s in sums]
    model = fit_network_model(sums, latencies)
    ratios = [model.latency_s(s) / latency for s, latency in zip(sums, latencies, strict=True)]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    covered = [
        low <= latency <= high
        for (low, high), latency in zip(map(model.interval_s, sums), latencies, strict=True)
    ]
    assert 0.85 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize(("count", "rank"), [(5, 5), (9, 9), (19, 18), (60, 55)])
def test_the_quantile_is_the_conformal_one(count: int, rank: int) -> None:
    """Of n errors the one of rank 0.9 (n + 1), rounded up; of fewer than nine the largest."""
    rng = np.random.default_rng(3)
    sums = [Sum(t, 0.0, 0, 0.3, 0.0) for t in rng.uniform(1e-3, 1e-2, count)]
    latencies = [s.time_s * math.exp(rng.normal(0, 0.3)) for s in sums]
    model = fit_network_model(sums, latencies)
    scores = sorted(
        abs(math.log(latency / model.latency_s(s))) / math.hypot(model.floor, s.spread)
        for s, latency in zip(sums, latencies, strict=True)
    )
    assert model.quantile == pytest.approx(max(0.5, scores[rank - 1]))


def test_ninety_percent_of_further_networks_lie_within_their_intervals() -> None:
    rng = np.random.default_rng(4)

    def drawn(count: int) -> tuple[list[Sum], list[float]]:
        sums = [Sum(t, 0.0, 50, 0.02, 0.0) for t in rng.uniform(1e-3, 1e-2, count)]
        # Errors with heavier tails than a normal distribution's.
        return sums, [s.time_s * math.exp(0.05 * rng.standard_t(4)) for s in sums]

    held = []
    for _ in range(60):
        model = fit_network_model(*drawn(30))
        held += [
            low <= latency <= high
            for s, latency in zip(*drawn(20), strict=True)
            for low, high in [model.interval_s(s)]
        ]
    assert 0.86 <= np.mean(held) <= 0.94


def test_a_family_that_is_predicted_badly_widens_intervals_once_however_large_it_is() -> None:
    rng = np.random.default_rng(5)
    sums = [Sum(t, 0.0, 50, 0.02, 0.0) for t in rng.uniform(1e-3, 1e-2, 90)]
    errors = np.where(np.arange(90) < 60, 0.02, 0.2) * rng.standard_normal(90)
    latencies = [s.time_s * math.exp(e) for s, e in zip(sums, errors, strict=True)]

    def width(families: list[str] | None) -> float:
        low, high = fit_network_model(sums, latencies, families=families).interval_s(sums[0])
        return math.log(high / low) / 2

    alone = [str(place) for place in range(90)]
    # A third of the networks, and one of 61 families: 1.64 deviations of 0.02 and a little more.
    assert width([*alone[:60], *["one design"] * 30]) < 0.1 < width(alone)
    # Of a single family each network was left out by itself, and counts by itself.
    assert width(alone) == width(None) == width(["one design"] * 90)


def _shaped(count: int, seed: int, effect: float) -> tuple[list[Sum], list[float]]:
    """Networks that take longer the more of their time goes into depthwise convolutions."""
    rng = np.random.default_rng(seed)
    sums, latencies = [], []
    for _ in range(count):
        share = rng.random()
        shape = [*rng.random(len(SHAPE) - 1), share]
        sums.append(Sum(rng.uniform(1e-3, 1e-2), 0.0, 50, 0.02, 0.0, tuple(shape)))
        latencies.append(sums[-1].time_s * math.exp(effect * (share - 0.5) + rng.normal(0, 0.02)))
    return sums, latencies


def test_what_networks_of_one_shape_have_in_common_is_learned() -> None:
    model = fit_network_model(*_shaped(200, 0, 0.4))
    sums, latencies = _shaped(100, 1, 0.4)
    errors = np.log([model.latency_s(s) / latency for s, latency in zip(sums, latencies, strict=True)])
    plain = replace(model, rest=None)
    without = np.log([plain.latency_s(s) / latency for s, latency in zip(sums, latencies, strict=True)])
    assert errors.std() < 0.6 * without.std()
    held = [
        low <= latency <= high
        for (low, high), latency in zip(map(model.interval_s, sums), latencies, strict=True)
    ]
    # The interval is that of networks that the forest has not seen.
    assert 0.8 <= np.mean(held) <= 0.99


def test_a_shape_that_tells_nothing_changes_nothing() -> None:
    sums, latencies = _shaped(200, 0, 0.0)
    assert fit_network_model(sums, latencies).rest is None
    # Few networks tell nothing, whatever they seem to.
    assert fit_network_model(*(part[:30] for part in _shaped(200, 0, 0.4))).rest is None


def test_networks_that_know_each_other_are_left_out_together() -> None:
    """Twins would tell each other's errors, which no other network has."""
    rng = np.random.default_rng(0)
    sums, latencies, groups = [], [], []
    for group in range(30):
        shape, error = tuple(rng.random(len(SHAPE))), rng.normal(0, 0.1)
        for _ in range(6):
            sums.append(Sum(rng.uniform(1e-3, 1e-2), 0.0, 50, 0.02, 0.0, shape))
            latencies.append(sums[-1].time_s * math.exp(error))
            groups.append(group)
    assert fit_network_model(sums, latencies).rest is not None
    assert fit_network_model(sums, latencies, groups).rest is None


def test_few_far_ones_do_not_move_the_calibration() -> None:
    rng = np.random.default_rng(0)
    sums = [Sum(t, 0.0, 50, 0.02, 0.0) for t in rng.uniform(1e-3, 1e-2, 60)]
    latencies = [1.1 * s.time_s * math.exp(rng.normal(0, 0.03)) for s in sums]
    disturbed = [latency * (4.0 if place < 4 else 1.0) for place, latency in enumerate(latencies)]
    before, after = (fit_network_model(sums, found).latency_s(sums[-1]) for found in (latencies, disturbed))
    assert after == pytest.approx(before, rel=0.04)


def test_what_runs_while_compiling_takes_no_time(fitted: Fitted) -> None:
    kernel = convolution(64, 128, 28)
    constant = Kernel.from_dict({**kernel.to_dict(), "attributes": {**kernel.attributes, "constant": True}})
    one = fitted.predictor.predict(NEW, kernels=facts(kernel))
    both = fitted.predictor.predict(NEW, kernels=facts(constant, kernel))
    assert both.latency_s == one.latency_s
    assert both.kernels[0].source == "free"
