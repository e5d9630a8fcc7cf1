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

from hwnas.testing.store_contract.campaigns import CampaignContract
from hwnas.testing.store_contract.counters import CounterContract
from hwnas.testing.store_contract.environments import EnvironmentContract
from hwnas.testing.store_contract.measurements import MeasurementContract
from hwnas.testing.store_contract.reading import ReadingContract
from hwnas.testing.store_contract.transactions import TransactionContract


class StoreContract(
    MeasurementContract,
    CounterContract,
    CampaignContract,
    ReadingContract,
    EnvironmentContract,
    TransactionContract,
):
    """Tests of an empty, writable database; override the fixture `store` to give one."""
