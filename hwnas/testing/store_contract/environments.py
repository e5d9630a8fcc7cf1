"""Environments: never mixed silently, each with one reference of its speed."""

from __future__ import annotations

import pytest

from hwnas.core.errors import UnknownName, UsageError
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement


class EnvironmentContract:
    """Tests of an empty, writable database: environments and their canary references."""

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
