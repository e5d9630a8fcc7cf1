from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_lab import GPU, NO_GPU, OPENVINO, Lab, Outcomes, truth

from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.store import LatencyStore
from hwnas.workloads.patterns import PATTERNS, pattern_workload


@pytest.fixture
def lab(tmp_path: Path, empty_database: Path) -> Iterator[Lab]:
    with LatencyStore.open(shutil.copyfile(empty_database, tmp_path / "latency.sqlite")) as store:
        yield Lab(store)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    """A depth study as it comes out of a real host: no GPU, one crash, one refusal, one cell to come."""
    cells: dict[Workload, Outcomes] = {}
    for pattern in PATTERNS:
        for depth in (10, 20, 30):
            for batch in (1, 8):
                workload = pattern_workload(pattern, depth=depth, width=64, batch=batch)
                outcomes: dict[str, float | tuple[Status, str]] = {**truth(workload), GPU: NO_GPU}
                if (pattern, depth, batch) == ("standard", 20, 8):
                    outcomes[OPENVINO] = (Status.FAILED, "the worker died: signal 9")
                if (pattern, depth, batch) == ("grouped", 30, 8):
                    outcomes = dict.fromkeys(outcomes, (Status.REFUSED, "would need 9 GiB of memory"))
                if (pattern, depth, batch) != ("factorized", 30, 1):
                    cells[workload] = outcomes
    folder = tmp_path_factory.mktemp("study")
    with LatencyStore.open(folder / "latency.sqlite") as store:
        lab = Lab(store)
        lab.set_reference()
        lab.campaign(cells, "depth", passes=1)
        return lab.select()
