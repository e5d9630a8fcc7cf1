"""Counts of both sources for given cells, kept in a file so that an interrupted run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from cache_cells import RUNTIMES

from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES
from hwnas.core.workload import Workload
from hwnas.measuring.callgrind import simulated_misses
from hwnas.measuring.worker_client import WorkerClient

_TIMEOUT_S = 7200.0


class Counts:
    """Misses of cells by source, runtime and cache; what is missing is counted when it is built.

    Args:
        workloads: The cells.
        geometries: Caches by name.
        keep: File with finished counts, or None.
    """

    def __init__(
        self, workloads: Sequence[Workload], geometries: Mapping[str, CacheGeometry], keep: str | None
    ) -> None:
        self._path = Path(keep) if keep else None
        self._lock = Lock()
        self._workloads = workloads
        self._geometries = geometries
        self._values: dict[str, float] = {}
        if self._path and self._path.exists():
            self._values = json.loads(self._path.read_text())
        # The model is cheap, and the code may have changed since.
        for backend_id in RUNTIMES:
            self._model(backend_id)
        # Counts, not times: two simulations at once do not disturb each other.
        with ThreadPoolExecutor(len(RUNTIMES)) as pool:
            list(pool.map(self._simulate, RUNTIMES))

    def get(
        self, source: str, backend_id: str, cache: str, workload: Workload, event: str = LLC_MISSES
    ) -> float:
        """One count; 0 for a kind of operator that has none."""
        key = _key(source, backend_id, cache, workload, event)
        return self._values[key] if event == LLC_MISSES else self._values.get(key, 0.0)

    def _keep(self, key: str, value: float) -> None:
        with self._lock:
            self._values[key] = value
            if self._path:
                part = self._path.with_suffix(".part")
                part.write_text(json.dumps(self._values, indent=1))
                part.replace(self._path)

    def _simulate(self, backend_id: str) -> None:
        for cache, geometry in self._geometries.items():
            keys = {_key("callgrind", backend_id, cache, w, LLC_MISSES): w for w in self._workloads}
            for key, workload in keys.items():
                if key not in self._values:
                    found = simulated_misses(backend_id, 1, geometry, _TIMEOUT_S, workload).value
                    assert found is not None
                    self._keep(key, found)
                    print(f"{key}: {found:.0f}", flush=True)

    def _model(self, backend_id: str) -> None:
        # Valgrind executes AVX2: the same kernels on both sides.
        environment = {**backend(backend_id).environment(1), "ONEDNN_MAX_CPU_ISA": "AVX2"}
        worker = WorkerClient(backend_id, BACKENDS.target(backend_id), 1, environment, None)
        try:
            for workload in self._workloads:
                worker.call("load", timeout_s=600, workload=workload.to_dict())
                for cache, geometry in self._geometries.items():
                    for counter in worker.call("model", timeout_s=600, caches=[str(geometry)])["counters"]:
                        key = _key("model", backend_id, cache, workload, counter["event"])
                        self._keep(key, counter["value"])
        finally:
            worker.close()


def _key(source: str, backend_id: str, cache: str, workload: Workload, event: str) -> str:
    return " | ".join((source, backend_id, cache, workload.label, event))
