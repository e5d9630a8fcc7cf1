"""What a measurement is when it comes back, and what cannot be one."""

from __future__ import annotations

from typing import Any

import pytest

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Agreement, Block, Measurement, Status
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement, example_workload


class MeasurementContract:
    """Tests of an empty, writable database: single measurements and what belongs to them."""

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
