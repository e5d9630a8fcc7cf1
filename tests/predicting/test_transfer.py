"""A predictor of a made-up host, brought to a slower one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import pytest
from made_up_kernels import convolution, law_s, training_set

from hwnas.core.environment import Cache, Environment
from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelModel, KernelTimes
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet
from hwnas.predicting.transfer import adapt, choose_samples
from hwnas.predicting.transfer_gain import gain

THERE = Environment("A processor", "x86_64", 2, 2**34)
HERE = Environment("A slower processor", "x86_64", 2, 2**34)


@pytest.fixture(scope="module")
def source() -> LatencyPredictor:
    return fit_predictor(training_set(noise=0.03), THERE, trees=12).predictor


def slower(network: MeasuredNetwork) -> MeasuredNetwork:
    """On a host whose pointwise convolutions take twice the time, and everything else three times."""
    factors = [2.0 if "pointwise" in k.category else 3.0 for k in network.kernels]
    times = [t and t * f for t, f in zip(network.times_s, factors, strict=True)]
    return replace(network, times_s=tuple(times), latency_s=sum(t for t in times if t))


@pytest.fixture(scope="module")
def here() -> TrainingSet:
    known = training_set(noise=0.03)
    return replace(known, networks=tuple(map(slower, known.networks)))


def test_a_few_samples_bring_it_near(source: LatencyPredictor, here: TrainingSet) -> None:
    samples = [n.workload.key for n in here.networks[::5]]
    found = gain(source, here, samples, HERE, trees=10)
    assert found is not None
    assert found.networks == len(here.networks) - len(samples)
    assert found.adapted < 0.1
    assert found.source > 0.5
    # The law is simple enough to be learned from few networks.
    assert found.scratch is not None
    assert not found.left_out
    few = gain(source, here, samples[:3], HERE, trees=10)
    assert few is not None
    assert few.scratch is not None
    assert max(few.adapted, few.scratch) < 0.15


def test_where_nothing_else_was_measured_each_sample_is_left_out(
    source: LatencyPredictor, here: TrainingSet
) -> None:
    samples = here.networks[::8]
    alone = replace(here, networks=samples)
    told: list[str] = []
    found = gain(source, alone, [n.workload.key for n in samples], HERE, trees=5, told=told.append)
    assert found is not None
    assert found.left_out
    assert found.networks == len(told) == len(samples) == 6
    assert found.adapted < 0.2 < found.source
    assert found.scratch is not None
    # A sample that an adapted predictor has seen is looked up: its error would be next to nothing.
    seen = adapt(source, samples, HERE).predict(samples[0].workload, kernels=samples[0].kernels)
    assert abs(seen.latency_s / samples[0].latency_s - 1) < found.adapted
    assert gain(source, alone, [samples[0].workload.key], HERE, trees=5) is not None
    assert gain(source, replace(here, networks=samples[:1]), [samples[0].workload.key], HERE) is None


def test_it_belongs_to_this_host_and_looks_up_what_was_measured_here(
    source: LatencyPredictor, here: TrainingSet
) -> None:
    adapted = adapt(source, here.networks[:6], HERE)
    assert adapted.environment == HERE
    found = adapted.predict(here.networks[0].workload, kernels=here.networks[0].kernels)
    assert found.share("measured") == pytest.approx(1.0)
    assert found.latency_s == pytest.approx(here.networks[0].latency_s, rel=0.15)
    assert adapted.limits.macs_per_s < source.limits.macs_per_s


def test_without_samples_it_says_how_to_get_some(source: LatencyPredictor) -> None:
    with pytest.raises(UsageError, match="--samples"):
        adapt(source, [], HERE)


def test_samples_differ_in_where_their_time_goes(
    source: LatencyPredictor, here: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = {n.workload.key: n.kernels for n in here.networks}

    def listed(self: LatencyPredictor, workload: Workload, live: None = None) -> tuple[KernelFacts, ...]:
        return kernels[workload.key]

    monkeypatch.setattr(LatencyPredictor, "kernels", listed)
    workloads = [n.workload for n in here.networks]
    # Copies of one network tell nothing new.
    chosen = choose_samples(source, [*workloads, *([workloads[0]] * 5)], 8)
    assert len({w.key for w in chosen}) == 8
    with pytest.raises(UsageError, match="--samples 48"):
        choose_samples(source, workloads, 50)


def test_so_few_samples_that_none_stands_for_a_tenth_make_no_interval_narrower(
    source: LatencyPredictor, here: TrainingSet
) -> None:
    """The largest of eight errors holds eight of nine networks, and not nine of ten."""
    wide = copy(source)
    wide.network_model = replace(source.network_model, quantile=50.0)
    assert adapt(wide, here.networks[:8], HERE).network_model.quantile == 50.0
    assert adapt(wide, here.networks[:9], HERE).network_model.quantile < 50.0


def test_the_other_hosts_predictor_as_it_was_answers_what_was_measured_there(
    source: LatencyPredictor, here: TrainingSet
) -> None:
    samples = [n.workload.key for n in here.networks[::5]]
    found = gain(source, here, samples, HERE, trees=5)
    assert found is not None
    there = {n.workload.key: n.latency_s for n in training_set(noise=0.03).networks}
    errors = [
        abs(there[n.workload.key] / n.latency_s - 1) for n in here.networks if n.workload.key not in samples
    ]
    assert found.source == pytest.approx(sum(errors) / len(errors), rel=1e-9)


def test_each_sample_is_predicted_for_its_factors_and_for_its_interval_and_no_more(
    source: LatencyPredictor, here: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once more for every other one."""
    predict = KernelModel.predict
    asked: list[int] = []

    def counted(self: KernelModel, kernels: Sequence[KernelFacts], *, lookup: bool = True) -> KernelTimes:
        asked.append(len(kernels))
        return predict(self, kernels, lookup=lookup)

    monkeypatch.setattr(KernelModel, "predict", counted)
    adapt(source, here.networks[:12], HERE)
    assert len(asked) == 2 * 12


def test_an_implementation_that_the_other_host_does_not_have_gets_a_factor_of_its_own(
    source: LatencyPredictor, here: TrainingSet
) -> None:
    """As a processor of other instructions runs other primitives."""

    def otherwise(network: MeasuredNetwork) -> MeasuredNetwork:
        changed = [k.form == "pointwise" for k in network.kernels]
        kernels = [replace(k, route="gemm") if c else k for k, c in zip(network.kernels, changed, strict=True)]
        times = [t and t * (8.0 if c else 3.0) for t, c in zip(network.times_s, changed, strict=True)]
        latency_s = sum(t for t in times if t)
        return replace(network, kernels=tuple(kernels), times_s=tuple(times), latency_s=latency_s)

    samples = [otherwise(n) for n in training_set(noise=0.03).networks[::4]]
    model = adapt(source, samples, HERE).kernel_model
    usual = KernelFacts.of(convolution(72, 136, 28, 1))
    found = model.predict([replace(usual, route="gemm")], lookup=False)
    assert found.sources == ("learned",)
    assert found.times_s[0] / law_s(usual) == pytest.approx(8.0, rel=0.25)


def test_kernels_miss_this_hosts_cache_here_and_the_other_ones_there() -> None:
    there, here = (
        replace(host, caches=(Cache(3, "Unified", size, 16, 64, 2),))
        for host, size in ((THERE, 2**25), (HERE, 2**23))
    )

    def missing(network: MeasuredNetwork, cache: str, factor: float) -> MeasuredNetwork:
        """Every other kernel finds nothing in the cache, and takes four times as long."""
        cold = [int(k.key, 16) % 2 for k in network.kernels]
        pairs = zip(network.kernels, cold, strict=True)
        kernels = tuple(replace(k, misses={cache: c * k.bytes / 64}) for k, c in pairs)
        times = [t and factor * t * (1 + 3 * c) for t, c in zip(network.times_s, cold, strict=True)]
        latency_s = sum(t for t in times if t)
        return replace(network, kernels=kernels, times_s=tuple(times), latency_s=latency_s)

    known = training_set(noise=0.03)
    learned = replace(known, networks=tuple(missing(n, "33554432,16,64", 1.0) for n in known.networks))
    source = fit_predictor(learned, there, trees=12).predictor
    assert source.kernel_model.geometries == ("33554432,16,64",)
    model = adapt(source, [missing(n, "8388608,16,64", 2.0) for n in known.networks[::4]], here).kernel_model
    assert model.geometries == ("8388608,16,64",)
    usual = KernelFacts.of(convolution(72, 136, 28, 1))
    times_s = model.predict(
        [replace(usual, misses={"8388608,16,64": lines}) for lines in (0.0, usual.bytes / 64)], lookup=False
    ).times_s
    assert times_s[1] > 1.5 * times_s[0]
