"""The kernels of a network as a backend would run them, without running it."""

from __future__ import annotations

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.errors import BackendUnavailable
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload
from hwnas.workloads.build import load_untrained


def list_kernels(workload: Workload, backend_id: str, threads: int, blob: bytes = b"") -> tuple[Kernel, ...]:
    """Kernels in the order of their execution, without times.

    Args:
        workload: The network; its weights do not matter.
        backend_id: Full id.
        threads: Threads of the backend.
        blob: The live module of a ``module`` workload, else empty.

    Raises:
        BackendUnavailable: The backend cannot run here, or cannot tell its kernels without running them.
        CellError: It cannot compile the network.
        OutOfMemory: The network does not fit into memory.
        UsageError: The model, its file, its code or its input cannot be used.
    """
    runtime = backend(backend_id)
    # A third party's backend may be older than this method.
    tell = getattr(runtime, "list_kernels", None)
    if tell is None:
        raise BackendUnavailable(
            f"{backend_id} cannot tell its kernels without running them", "Predict for another --backend"
        )
    found = runtime.availability()
    if not found.available:
        raise BackendUnavailable(found.detail, found.remedy)
    loaded = load_untrained(workload, blob)
    kernels: tuple[Kernel, ...] = tell(Program(loaded.inputs, loaded.module, loaded.path), threads)
    return kernels
