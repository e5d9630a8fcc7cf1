"""What is found: filters, the order of many, and reading no more than is wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hwnas.core.errors import UnknownName
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.store import LatencyStore
from hwnas.store.latency_store import PAGE
from hwnas.testing.examples import example_environment, example_measurement, example_workload


class ReadingContract:
    """Tests of an empty, writable database: filters and pages."""

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

    def test_numbers_that_no_database_holds_are_in_none(self, store: LatencyStore) -> None:
        """They are asked for all the same, by a slip of a key."""
        store.add(example_measurement(), example_environment())
        assert store.count(threads=10**25) == 0
        assert store.values("name", depth=-(10**25)) == []
        assert list(store.measurements(batch=2**63)) == []

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
