"""What every latency database must do, as tests to subclass.

```python
class TestMyDatabase(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        with LatencyStore.open(tmp_path / "latency.sqlite") as store:
            yield store
```
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import DatabaseError, UnknownName, UsageError
from hwnas.core.measurement import Agreement, Block, Measurement, Status
from hwnas.core.workload import Workload
from hwnas.store import CellKey, LatencyStore
from hwnas.store.latency_store import PAGE
from hwnas.testing.examples import example_environment, example_measurement, example_workload


class StoreContract:
    """Tests of an empty, writable database; override the fixture `store` to give one."""

    def test_measurement_comes_back_as_it_was(self, store: LatencyStore) -> None:
        """Every field survives, and so does what belongs to it."""
        environment = example_environment()
        record = store.campaign("depth", {"depths": [10]}, environment)
        assert store.add(example_measurement(), environment, campaign_uid=record.uid, macs=10**12, parameters=7)
        (stored,) = store.measurements()
        assert stored.measurement == example_measurement()
        assert (stored.environment, stored.campaign) == (environment.fingerprint, "depth")
        assert (stored.campaign_uid, stored.macs, stored.parameters) == (record.uid, 10**12, 7)
        assert stored.median_s == pytest.approx(0.00205)
        assert stored.sample_count == 4
        assert store.environments() == [(environment, 1)]

    def test_failed_cell_comes_back_as_it_was(self, store: LatencyStore) -> None:
        """Nothing that is missing turns into a value."""
        failed = Measurement(
            "u", "g", example_workload(), "torch-eager:cpu:fp32", 2, 1, Status.FAILED, "crashed"
        )
        store.add(failed, example_environment())
        (stored,) = store.measurements()
        assert stored.measurement == failed
        assert (stored.median_s, stored.macs, stored.campaign, stored.campaign_uid) == (None, None, None, None)

    def test_same_measurement_is_added_once(self, store: LatencyStore) -> None:
        """The uid decides."""
        assert store.add(example_measurement(), example_environment()) is True
        assert store.add(example_measurement(), example_environment()) is False
        assert store.counts()["measurement"] == 1
        assert store.counts()["kernel"] == 2

    def test_counters_are_added_later_and_once(self, store: LatencyStore) -> None:
        """A value takes the place of a reason, and is never replaced."""
        bare = example_measurement(counters=())
        store.add(bare, example_environment())
        missing = Counter(LLC_MISSES, None, "callgrind", "4194304,16,64", 1, None, "valgrind is not on PATH")
        counted = replace(missing, value=2e6, accesses=3e6, reason="")
        for counter, added in ((missing, 1), (missing, 0), (counted, 1), (replace(counted, value=1.0), 0)):
            with store.writing() as writer:
                assert writer.counters(bare.uid, [counter]) == added
        (stored,) = store.measurements(with_kernels=False)
        assert stored.measurement.counters == (counted,)
        with pytest.raises(UsageError, match="no measurement"), store.writing() as writer:
            writer.counters("nobody", [counted])

    def test_another_database_may_know_more_counters(self, store: LatencyStore) -> None:
        """A measurement that is there already takes the counters that it lacks."""
        full = example_measurement()
        store.add(replace(full, counters=full.counters[:1]), example_environment())
        assert store.add(full, example_environment()) is False
        (stored,) = store.measurements()
        assert stored.measurement.counters == full.counters

    def test_counts_that_found_nothing_can_be_tried_again(self, store: LatencyStore) -> None:
        """A retry forgets those named, of that campaign alone; values and other counts stay."""
        environment = example_environment()
        value = Counter(LLC_MISSES, 1e6, "model", "4194304,16,64", 1)
        silent = Counter(LLC_MISSES, None, "pmu", None, 1, None, "ENOENT")
        cycles = replace(silent, event="cycles")
        elsewhere = replace(silent, source="model", geometry="65536,16,64")
        counters = (value, silent, cycles, elsewhere)
        uids = {name: store.campaign(name, {}, environment).uid for name in ("depth", "width")}
        for name, uid in uids.items():
            store.add(example_measurement(name, counters=counters), environment, campaign_uid=uid)
        assert store.retry(uids["depth"], []) == 0
        assert all(s.measurement.counters == counters for s in store.measurements())
        assert store.retry(uids["depth"], [], [("pmu", None), ("model", "4194304,16,64")]) == 0
        left = {s.measurement.uid: s.measurement.counters for s in store.measurements()}
        assert left == {"depth": (value, cycles, elsewhere), "width": counters}

    def test_a_missing_count_needs_a_reason(self, store: LatencyStore) -> None:
        """None without a reason would be read as nothing to see."""
        silent = Counter(LLC_MISSES, None, "pmu", None, 1)
        with pytest.raises(UsageError, match="no reason"):
            store.add(example_measurement(counters=(silent,)), example_environment())
        bare = example_measurement(counters=())
        store.add(bare, example_environment())
        odd = (silent, replace(silent, value=-1.0), replace(silent, value=1.0, geometry="4M,16,64"))
        for counter in odd:
            with pytest.raises(UsageError), store.writing() as writer:
                writer.counters(bare.uid, [counter])
        assert store.counts()["counter"] == 0

    def test_cell_is_measured_once(self, store: LatencyStore) -> None:
        """A second measurement of a campaign's cell is refused, and nothing of it stays."""
        environment = example_environment()
        uid = store.campaign("depth", {}, environment).uid
        store.add(example_measurement("u0"), environment, campaign_uid=uid)
        with pytest.raises(DatabaseError, match="u0"):
            store.add(example_measurement("u1"), environment, campaign_uid=uid)
        assert [s.measurement.uid for s in store.measurements()] == ["u0"]
        assert store.counts()["kernel"] == 2

    def test_cells_without_campaign_are_not_limited(self, store: LatencyStore) -> None:
        """Measuring one model again and again is fine."""
        assert store.add(example_measurement("u0"), example_environment())
        assert store.add(example_measurement("u1"), example_environment())
        assert store.count() == 2

    @pytest.mark.parametrize(
        "changes",
        [
            {"blocks": ()},
            {"blocks": (Block(0, 0.0, (float("nan"),)),)},
            {"blocks": (Block(0, 0.0, (0.0,)),)},
            {"blocks": (Block(0, 0.0, (0.1,), {"compute": float("inf")}),)},
            {"threads": 0},
            {"pass_index": -1},
        ],
    )
    def test_impossible_measurement_is_refused(self, store: LatencyStore, changes: dict[str, Any]) -> None:
        """What nobody can have measured does not get in."""
        with pytest.raises(UsageError, match="u0"):
            store.add(example_measurement(**changes), example_environment())
        assert store.count() == 0

    def test_what_json_lacks_becomes_none(self, store: LatencyStore) -> None:
        """NaN and infinities are no reason to lose a cell."""
        odd = example_measurement(
            status=Status.FAILED,
            blocks=(),
            agreement=Agreement(False, float("nan"), 1e-4, "torch", "outputs are NaN"),
            effective={"bounds": [float("inf"), 1.0]},
        )
        store.add(odd, example_environment())
        (stored,) = store.measurements()
        assert stored.measurement.agreement == Agreement(False, None, 1e-4, "torch", "outputs are NaN")
        assert stored.measurement.effective == {"bounds": [None, 1.0]}

    def test_odd_text_is_kept_readable(self, store: LatencyStore) -> None:
        """The last words of a crashed process may hold anything."""
        text = "bad\0 \udc80 'end' \n%s"
        crashed = example_measurement(status=Status.FAILED, blocks=(), reason=text, effective={"log": text})
        store.add(crashed, example_environment())
        (stored,) = store.measurements()
        assert stored.measurement.reason == "bad\\x00 \\udc80 'end' \n%s"
        assert stored.measurement.effective == {"log": text}

    def test_value_that_json_cannot_hold(self, store: LatencyStore) -> None:
        """A mistake of the caller is said to be one."""
        with pytest.raises(UsageError, match="object"):
            store.add(example_measurement(effective={"a": object()}), example_environment())
        with pytest.raises(UsageError, match="set"):
            store.campaign("depth", {"a": {1}}, example_environment())

    def test_counts_of_a_network_are_completed_later(self, store: LatencyStore) -> None:
        """MACs that one campaign counted serve the measurements of all."""
        store.add(example_measurement("u0"), example_environment())
        store.add(example_measurement("u1"), example_environment(), macs=5)
        store.add(example_measurement("u2"), example_environment(), macs=6, parameters=3)
        assert [(s.macs, s.parameters) for s in store.measurements()] == [(5, 3)] * 3
        assert store.counts()["workload"] == 1

    def test_campaign_is_resumed_or_begun_afresh(self, store: LatencyStore) -> None:
        """Name, specification and environment together are a campaign's identity."""
        here, elsewhere = example_environment(), example_environment("Other CPU")
        first = store.campaign("depth", {"a": 1, "b": 2}, here)
        assert first.generation == 0
        assert store.campaign("depth", {"b": 2, "a": 1}, here) == first
        fresh = store.campaign("depth", {"a": 1, "b": 2}, here, fresh=True)
        assert (fresh.generation, fresh.key) == (1, first.key)
        assert store.campaign("depth", {"a": 1, "b": 2}, here) == fresh
        others = [
            store.campaign("width", {"a": 1, "b": 2}, here),
            store.campaign("depth", {"a": 1}, here),
            store.campaign("depth", {"a": 1, "b": 2}, elsewhere),
        ]
        assert [c.generation for c in others] == [0, 0, 0]
        assert len({c.uid for c in [first, fresh, *others]}) == 5
        assert [c for c, _ in store.campaigns()] == [first, fresh, *others]

    def test_finished_cells_and_retry(self, store: LatencyStore) -> None:
        """All outcomes are finished; those to be tried again are deleted with their kernels."""
        environment = example_environment()
        uid = store.campaign("depth", {}, environment).uid
        other = store.campaign("depth", {}, environment, fresh=True).uid
        store.add(example_measurement("u0"), environment, campaign_uid=uid)
        failed = example_measurement("u1", pass_index=1, status=Status.FAILED, blocks=())
        store.add(failed, environment, campaign_uid=uid)
        key = example_workload().key
        cells = {CellKey(key, "openvino:cpu:fp32", 1, 0), CellKey(key, "openvino:cpu:fp32", 1, 1)}
        assert store.finished(uid) == cells
        assert store.finished(other) == set()
        assert store.retry(uid, [Status.FAILED, Status.REFUSED]) == 1
        assert store.finished(uid) == {CellKey(key, "openvino:cpu:fp32", 1, 0)}
        assert store.counts()["kernel"] == 2
        with pytest.raises(UsageError, match="nobody"):
            store.finished("nobody")
        with pytest.raises(UsageError, match="nobody"):
            store.retry("nobody", [Status.FAILED])

    def test_measurement_must_fit_its_campaign(self, store: LatencyStore) -> None:
        """Environments are not mixed within a campaign."""
        uid = store.campaign("depth", {}, example_environment()).uid
        with pytest.raises(UsageError, match="another environment"):
            store.add(example_measurement(), example_environment("Other CPU"), campaign_uid=uid)
        with pytest.raises(UsageError, match="nobody"):
            store.add(example_measurement(), example_environment(), campaign_uid="nobody")
        assert store.count() == 0

    def test_filters(self, store: LatencyStore) -> None:
        """Each filter admits what has the value, and all of them must."""
        here, there = example_environment(), example_environment("Other CPU")
        uid = store.campaign("depth", {}, here).uid
        model = Workload("torchvision", "resnet18", (8, 3, 224, 224))
        store.add(example_measurement("u0"), here, campaign_uid=uid)
        store.add(example_measurement("u1", workload=example_workload(depth=20, batch=8), threads=2), here)
        store.add(
            example_measurement("u2", workload=model, backend="torch", status=Status.FAILED, blocks=()), there
        )

        def found(**filters: Any) -> list[str]:
            uids = [s.measurement.uid for s in store.measurements(**filters)]
            assert store.count(**filters) == len(uids)
            return uids

        assert found() == ["u0", "u1", "u2"]
        assert found(environment=here.fingerprint, campaign_uid=None) == ["u0", "u1"]
        assert found(campaign_uid=uid) == ["u0"]
        assert found(kind="pattern") == found(name="standard") == found(width=64) == ["u0", "u1"]
        assert found(depth=20) == found(threads=2) == ["u1"]
        assert found(backend="torch") == found(status="failed") == ["u2"]
        assert found(batch=8) == ["u1", "u2"]
        assert found(batch=8, kind="pattern") == ["u1"]
        assert found(width=32) == []
        assert store.values("name") == ["resnet18", "standard"]
        assert store.values("depth", kind="pattern") == [10, 20]
        with pytest.raises(UnknownName, match="batch"):
            found(bach=8)

    def test_filters_of_architectures(self, store: LatencyStore) -> None:
        """An architecture is part of what a workload declares; other workloads have none."""
        store.add(example_measurement("u0"), example_environment())
        for uid, architecture in (("u1", "16,1+32,2"), ("u2", "24,1+32,2")):
            workload = Workload(
                "space", "patterns", (1, 3, 32, 32), {"architecture": architecture, "digest": "d"}
            )
            store.add(example_measurement(uid, workload=workload), example_environment())
        found = store.measurements(kind="space", architecture="24,1+32,2")
        assert [s.measurement.uid for s in found] == ["u2"]
        assert store.count(architecture="24,1") == 0
        assert store.values("architecture") == ["16,1+32,2", "24,1+32,2"]

    def test_pages_and_light_reading(self, store: LatencyStore) -> None:
        """More measurements than fit on a page come in order, with or without their samples."""
        environment = example_environment()
        with store.writing() as writer:
            for i in range(2 * PAGE):
                m = example_measurement(f"u{i}")
                writer.measurement(m, environment, campaign_uid=None, macs=None, parameters=None)
        assert [s.measurement.uid for s in store.measurements()] == [f"u{i}" for i in range(2 * PAGE)]
        light = next(store.measurements(with_samples=False, with_kernels=False))
        assert (light.measurement.blocks, light.measurement.kernels) == ((), ())
        whole, named = (next(store.measurements(with_attributes=a)).measurement.kernels for a in (True, False))
        assert any(kernel.attributes for kernel in whole)
        assert named == tuple(replace(kernel, attributes={}) for kernel in whole)
        assert light.median_s == pytest.approx(0.00205)
        assert light.sample_count == 4

    def test_failing_transaction_leaves_nothing(self, store: LatencyStore) -> None:
        """What a block has added is gone when it raises."""

        def fail_half_way() -> None:
            with store.writing() as writer:
                writer.canary_reference(example_environment(), "3", {"integer": 0.01})
                raise EOFError

        with pytest.raises(EOFError):
            fail_half_way()
        assert set(store.counts().values()) == {0}

    def test_sole_environment(self, store: LatencyStore) -> None:
        """Environments are never mixed silently."""
        here, there = example_environment(), example_environment("Other CPU")
        with pytest.raises(UsageError, match="no measurements"):
            store.sole_environment(None)
        store.campaign("depth", {}, there)  # known, but without measurements
        store.add(example_measurement("u0"), here)
        assert store.sole_environment(None) == here.fingerprint
        assert store.sole_environment(there.fingerprint) == here.fingerprint
        store.add(example_measurement("u1"), there)
        assert store.sole_environment(there.fingerprint) == there.fingerprint
        with pytest.raises(UsageError, match=r"--environment.*Other CPU"):
            store.sole_environment(None)
        assert store.find_environment(here.fingerprint[:6]) == here.fingerprint
        with pytest.raises(UnknownName):
            store.find_environment("zz")
        with pytest.raises(UnknownName):
            store.find_environment("")

    def test_first_canary_reference_stays(self, store: LatencyStore) -> None:
        """Drift-corrected latencies must not change their meaning."""
        environment = example_environment()
        assert store.canary_reference(environment, "1") is None
        first = {"compute": 0.001, "copy": 0.0005}
        assert store.set_canary_reference(environment, "1", first) == first
        assert store.set_canary_reference(environment, "1", {"compute": 9.0}) == first
        assert store.canary_reference(environment.fingerprint, "1") == first
        assert store.canary_reference(environment, "2") is None
        with pytest.raises(UsageError, match="compute"):
            store.set_canary_reference(environment, "3", {"compute": 0.0})

    def test_concurrent_writers(self, store: LatencyStore) -> None:
        """Writers who meet at the same environment, workload and campaign all get through."""
        environment = example_environment()

        def work(writer: int) -> str:
            uid = store.campaign("depth", {}, environment).uid
            for i in range(3):
                store.add(
                    example_measurement(f"w{writer}-{i}", pass_index=10 * writer + i),
                    environment,
                    campaign_uid=uid,
                )
            store.set_canary_reference(environment, "1", {"compute": 1.0 + writer})
            return uid

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(work, range(4)))) == 1
        assert store.counts() == {
            "environment": 1,
            "campaign": 1,
            "workload": 1,
            "measurement": 12,
            "kernel": 24,
            "counter": 24,
            "canary_reference": 1,
        }
