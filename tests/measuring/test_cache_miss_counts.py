"""Cache misses in campaigns: resolved for the host, stored with their source, added later."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hwnas.core.cache_geometry import NAMED_CACHES, CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.dataflow import Buffer, Dataflow, Step
from hwnas.core.errors import BackendUnavailable, CellError, UnknownName, UsageError
from hwnas.core.measurement import Status
from hwnas.host.counters import CounterSource
from hwnas.host.machine import probe_environment
from hwnas.measuring import counting, counting_pass
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.count_in_worker import counted_by_model
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.events import Silent
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement
from hwnas.workloads.patterns import pattern_workload

SMALL = Settings(
    passes=1, max_passes=1, budget_s=0.05, turn_s=0.02, min_rounds=2, warmup_s=0.01, warmup_cap_s=0.1
)
TINY = pattern_workload("standard", depth=2, width=64, resolution=8)
BOTH = ("torch:cpu:fp32", "openvino:cpu:fp32")


def _sources(monkeypatch, **available: bool) -> None:
    def source(name: str):
        works = available[name]
        return lambda: CounterSource(name, works, "made up", "" if works else "Do this")

    found = {name: source(name) for name in available}
    monkeypatch.setattr(counting, "pmu_source", found["pmu"])
    monkeypatch.setattr(counting, "_NEEDED", found)


def test_auto_is_the_processor_where_it_counts_and_always_the_model(monkeypatch) -> None:
    _sources(monkeypatch, pmu=True, callgrind=True)
    assert CacheMisses().on(example_environment()).sources == ("pmu", "model")
    _sources(monkeypatch, pmu=False, callgrind=True)
    resolved = CacheMisses().on(example_environment())
    assert resolved.sources == ("model",)
    assert resolved.caches == (CacheGeometry(4 * 2**20, 16, 64),)


def test_what_is_asked_for_by_name_must_be_there(monkeypatch) -> None:
    _sources(monkeypatch, pmu=False, callgrind=False)
    for source in ("pmu", "callgrind"):
        with pytest.raises(UsageError, match="made up") as caught:
            CacheMisses(source).on(example_environment())
        assert caught.value.hint == "Do this"


def test_unknown_sources_and_no_cache_are_refused() -> None:
    with pytest.raises(UnknownName, match="guess"):
        CacheMisses("guess")
    with pytest.raises(UsageError, match="no cache"):
        CacheMisses("model", ())


def test_off_counts_nothing() -> None:
    assert CacheMisses("off").on(example_environment()).wanted(TINY, BOTH[0]) == []


def test_a_host_that_does_not_tell_its_cache_gets_a_named_one() -> None:
    silent = replace(example_environment(), caches=())
    assert CacheMisses("model").on(silent).caches == (NAMED_CACHES["paper"],)


def _run(store, cache_misses: CacheMisses, watcher: Silent | None = None):
    return _campaign(cache_misses, store, watcher).run()


def _campaign(cache_misses: CacheMisses, store, watcher: Silent | None = None) -> Campaign:
    experiment = Experiment("count", "", (TINY,), BOTH, 1, SMALL, cache_misses)
    return Campaign(Plan.of(experiment), store, probe_environment(), watcher or Silent())


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A database with a campaign that has its latencies: what it counts is no part of its identity."""
    path = tmp_path_factory.mktemp("timed") / "test.sqlite"
    with LatencyStore.open(path) as store:
        assert _run(store, CacheMisses("off")).counts[Status.OK] == 2
        assert _counts(store) == {}
    return path


@pytest.fixture
def store(timed, tmp_path):
    """A copy of it, to count in."""
    shutil.copy(timed, tmp_path / "test.sqlite")
    with LatencyStore.open(tmp_path / "test.sqlite") as opened:
        yield opened


def _counts(store) -> dict[tuple[str, str, str | None], Counter]:
    measured = [s.measurement for s in store.measurements(status=str(Status.OK))]
    return {(m.backend, c.source, c.geometry): c for m in measured for c in m.counters if c.event == LLC_MISSES}


def test_a_campaign_models_both_runtimes_on_every_cache(tmp_path) -> None:
    """As it measures them; OpenVINO's kernels carry their own misses."""
    with LatencyStore.open(tmp_path / "test.sqlite") as store:
        _run(store, CacheMisses("model", ("64K,16,64", "4M,16,64")))
        counts = _counts(store)
        (found,) = (s.measurement for s in store.measurements(backend="openvino:cpu:fp32"))
    assert len(counts) == 4
    torch_small, openvino_small = (counts[b, "model", "65536,16,64"].value for b in BOTH)
    # Two layers of 147 KB of weights exceed 64 KiB; eager PyTorch moves more than them.
    assert torch_small > openvino_small > 2 * 64 * 64 * 9 * 4 / 64 * 0.9
    assert all(counts[b, "model", "4194304,16,64"].value < torch_small for b in BOTH)
    # A reshape moves nothing, and so is no step of the model.
    by_kernel = [k.attributes["llc_misses"]["65536,16,64"] for k in found.kernels if k.type != "Reshape"]
    assert sum(by_kernel) == pytest.approx(openvino_small)
    assert min(k.attributes["groups"] for k in found.kernels if k.type == "Convolution") == 1


def test_misses_can_be_counted_after_the_campaign(store) -> None:
    """Asking for another cache measures no latency again."""
    again = _run(store, CacheMisses("model", ("64K,16,64",)))
    assert (again.counts, again.counts_added) == ({}, 2)
    assert len(_counts(store)) == 2
    assert _run(store, CacheMisses("model", ("64K,16,64",))).counts_added == 0


class _FakeSimulator:
    """Stands for valgrind: counts any network, or fails as it is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked = 0

    def __call__(self, backend_id, threads, geometry, timeout_s, workload, blob) -> Counter:
        self.asked += 1
        if self.failure:
            raise self.failure
        return Counter(LLC_MISSES, 1e6, "callgrind", str(geometry), threads, 2e6)


def test_a_sample_is_simulated_and_a_failure_is_kept_until_the_user_asks_again(store, monkeypatch) -> None:
    simulator = _FakeSimulator(CellError("it broke"))
    monkeypatch.setattr(counting_pass, "simulated_misses", simulator)
    monkeypatch.setattr(counting_pass, "callgrind_source", lambda: CounterSource("callgrind", True, ""))
    asked, watcher = CacheMisses("model", ("64K,16,64",), (TINY,)), Silent()
    first = _run(store, asked, watcher)
    assert first.counts_missing == 2
    failed = _counts(store)["torch:cpu:fp32", "callgrind", "65536,16,64"]
    assert (failed.value, failed.reason) == (None, "it broke")
    assert any("it broke" in n for n in watcher.notices)
    simulator.failure = None
    left = _run(store, asked)
    assert (left.counts_added, left.counts_missing, simulator.asked) == (0, 2, 2)
    assert store.retry(first.campaign_uid, [], [("callgrind", "65536,16,64")]) == 0
    again = _run(store, asked)
    assert (again.counts_added, again.counts_missing) == (2, 0)
    counts = _counts(store)
    assert [counts[b, "callgrind", "65536,16,64"].value for b in BOTH] == [1e6, 1e6]
    assert counts["torch:cpu:fp32", "model", "65536,16,64"].value is not None


def test_a_simulation_starts_only_where_it_fits_into_the_time_that_is_left(store, monkeypatch) -> None:
    """The first goes by a guess, the second by what the first one took."""
    now = [0.0]
    simulator = _FakeSimulator()

    def slow(*arguments) -> Counter:
        now[0] += 500.0
        return simulator(*arguments)

    monkeypatch.setattr(counting_pass, "simulated_misses", slow)
    monkeypatch.setattr(counting_pass, "callgrind_source", lambda: CounterSource("callgrind", True, ""))
    monkeypatch.setattr(counting_pass, "time", SimpleNamespace(monotonic=lambda: now[0]))
    campaign = _campaign(CacheMisses("model", ("64K,16,64",), (TINY,)), store)
    runs = []
    for until in (30.0, 900.0, 900.0):
        now[0] = 0.0
        with campaign.opened() as outcome:
            campaign.count(until)
        runs.append((simulator.asked, outcome.counts_left))
    assert runs == [(0, 2), (1, 1), (2, 0)]


def test_more_threads_make_no_simulation_shorter() -> None:
    """Valgrind runs one at a time."""
    expected = []
    for threads in (1, 4):
        plan = Plan.of(Experiment("count", "", (TINY,), BOTH, threads, SMALL))
        counting_ = counting_pass.CountingPass(plan, counting.Counting(), None, "", Silent(), {}, "")
        task = counting_pass._Task(example_measurement(workload=TINY), "callgrind", "65536,16,64")
        expected.append(counting_._expected_s(task))
    assert expected[1] >= expected[0]


def test_without_valgrind_a_sample_says_so_and_waits_for_it(store, monkeypatch) -> None:
    missing = _FakeSimulator(BackendUnavailable("valgrind is not on PATH", "apt-get install valgrind"))
    monkeypatch.setattr(counting_pass, "simulated_misses", missing)
    monkeypatch.setattr(counting_pass, "callgrind_source", lambda: CounterSource("callgrind", False, ""))
    asked = CacheMisses("model", ("64K,16,64",), (TINY,))
    _run(store, asked)
    counts = _counts(store)
    assert all("apt-get install valgrind" in counts[b, "callgrind", "65536,16,64"].reason for b in BOTH)
    asked_before = missing.asked
    assert _run(store, asked).counts_added == 0
    assert missing.asked == asked_before
    monkeypatch.setattr(counting_pass, "simulated_misses", _FakeSimulator())
    monkeypatch.setattr(counting_pass, "callgrind_source", lambda: CounterSource("callgrind", True, ""))
    assert _run(store, asked).counts_added == 2


@pytest.mark.parametrize(("device", "counted"), [("cpu", True), ("gpu", False)])
def test_only_processors_are_modelled(device: str, counted: bool) -> None:
    class Session:
        def dataflow(self) -> Dataflow:
            return Dataflow((Buffer(2**20, "input"),), (Step("relu", "relu", (0,), ()),), "heap")

    geometry = CacheGeometry(2**16, 16, 64)
    (first, *_) = counted_by_model(Session(), [geometry], 1, device)
    assert (first.value is not None) == counted
    assert counted or device in first.reason


def test_nothing_is_simulated_for_another_device() -> None:
    """So nothing is missing there either, and nothing is tried again on each run."""
    counting = CacheMisses("model", ("64K,16,64",), (TINY,)).on(example_environment())
    kinds = [("model", "65536,16,64"), ("callgrind", "65536,16,64")]
    assert counting.wanted(TINY, "openvino:cpu:fp32") == kinds
    assert counting.wanted(TINY, "openvino:gpu:fp16") == []
