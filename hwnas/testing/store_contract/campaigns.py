"""Campaigns: which one goes on, what of it is finished, and what may be in it."""

from __future__ import annotations

import pytest

from hwnas.core.errors import DatabaseError, UsageError
from hwnas.core.measurement import Status
from hwnas.store import CellKey, LatencyStore
from hwnas.testing.examples import example_environment, example_measurement, example_workload


class CampaignContract:
    """Tests of an empty, writable database: campaigns and their cells."""

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

    def test_measurement_must_fit_its_campaign(self, store: LatencyStore) -> None:
        """Environments are not mixed within a campaign."""
        uid = store.campaign("depth", {}, example_environment()).uid
        with pytest.raises(UsageError, match="another environment"):
            store.add(example_measurement(), example_environment("Other CPU"), campaign_uid=uid)
        with pytest.raises(UsageError, match="nobody"):
            store.add(example_measurement(), example_environment(), campaign_uid="nobody")
        assert store.count() == 0
