"""The kernels of a network as a backend would run them, without running it."""

from __future__ import annotations

from collections.abc import Sequence

from hwnas.backends.protocol import Backend, Program, Session, computing_device
from hwnas.backends.registry import backend
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.errors import BackendUnavailable, CellError, OutOfMemory
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload
from hwnas.measuring.count_in_worker import with_modelled_misses
from hwnas.measuring.input_memory import check_input_memory
from hwnas.workloads.build import load_untrained
from hwnas.workloads.dry_run import observe
from hwnas.workloads.models import model_name


def listing_backend(backend_id: str) -> Backend:
    """The backend, where it can list kernels on this host.

    Raises:
        BackendUnavailable: It cannot run here, or cannot tell its kernels without running them.
        UnknownName: There is no such backend.
    """
    runtime = backend(backend_id)
    # A third party's backend may be older than these.
    if not getattr(runtime, "lists_kernels", hasattr(runtime, "list_kernels")):
        raise BackendUnavailable(
            f"{backend_id} cannot tell its kernels without running them", "Take another --backend"
        )
    found = runtime.availability()
    if not found.available:
        raise BackendUnavailable(found.detail, found.remedy)
    return runtime


def list_kernels(
    workload: Workload, backend_id: str, threads: int, blob: bytes = b"", geometries: Sequence[str] = ()
) -> tuple[Kernel, ...]:
    """Kernels in the order of their execution, without times.

    Args:
        workload: The network; its weights do not matter.
        backend_id: Full id.
        threads: Threads of the backend.
        blob: The live module of a ``module`` workload, else empty.
        geometries: Caches whose misses are modelled, where the backend's kernels can be told apart.

    Raises:
        BackendUnavailable: The backend cannot run here, or cannot tell its kernels without running them.
        CellError: It cannot compile the network.
        OutOfMemory: The network does not fit into memory.
        UsageError: The model, its file, its code or its input cannot be used.
    """
    runtime = listing_backend(backend_id)
    check_input_memory([workload.input_shape])
    loaded = load_untrained(workload, blob)
    program = Program(loaded.inputs, loaded.module, loaded.path)
    try:
        return program_kernels(runtime, program, threads, geometries)
    except (BackendUnavailable, OutOfMemory):
        raise
    except CellError:
        # An input that the network does not take is told in its own words, and not in a converter's.
        if loaded.module is not None:
            observe(model_name(workload), loaded.module, loaded.inputs, lambda forward, _: forward())
        raise
    except MemoryError as error:
        raise OutOfMemory(
            f"{workload.label} does not fit into memory", "Give a smaller --batch or --input"
        ) from error


def program_kernels(
    runtime: Backend, program: Program, threads: int, geometries: Sequence[str] = ()
) -> tuple[Kernel, ...]:
    """:func:`list_kernels` of a program.

    Raises:
        BackendUnavailable: The backend cannot run the program.
        CellError: It cannot compile it.
    """
    # Misses need the compiled network, which PyTorch's listing does without.
    if geometries and getattr(runtime, "compiles_to_list", False):
        return _compiled_kernels(runtime, runtime.compile(program, threads), geometries)
    return runtime.list_kernels(program, threads)


def many_kernels(
    runtime: Backend, programs: Sequence[Program], threads: int, geometries: Sequence[str] = ()
) -> list[tuple[Kernel, ...]]:
    """:func:`program_kernels` of each of many small modules; a backend that can converts them together.

    Raises:
        BackendUnavailable: The backend cannot run one of the programs.
        CellError: It cannot compile one of them.
    """
    together = getattr(runtime, "compile_many", None)
    if together is None or not getattr(runtime, "compiles_to_list", False):
        return [program_kernels(runtime, program, threads, geometries) for program in programs]
    return [_compiled_kernels(runtime, session, geometries) for session in together(programs, threads)]


def _compiled_kernels(runtime: Backend, session: Session, geometries: Sequence[str]) -> tuple[Kernel, ...]:
    # The same cache may stand for two: for the host's own, and for one that was named.
    caches = [CacheGeometry.of(g) for g in dict.fromkeys(geometries)]
    listed = session.listed_kernels()  # type: ignore[attr-defined]
    return tuple(with_modelled_misses(listed, session, caches, computing_device(runtime.id)))
