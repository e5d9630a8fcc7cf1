"""Transactions: wholly or not at all, whoever else writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement


class TransactionContract:
    """Tests of an empty, writable database: writers that fail, and several at once."""

    def test_failing_transaction_leaves_nothing(self, store: LatencyStore) -> None:
        """What a block has added is gone when it raises."""

        def fail_half_way() -> None:
            with store.writing() as writer:
                writer.canary_reference(example_environment(), "3", {"integer": 0.01})
                raise EOFError

        with pytest.raises(EOFError):
            fail_half_way()
        assert set(store.counts().values()) == {0}

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
