"""Counts of cache misses: added later, never replaced, and missing with a reason alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import UsageError
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement


class CounterContract:
    """Tests of an empty, writable database: counters of measurements."""

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
