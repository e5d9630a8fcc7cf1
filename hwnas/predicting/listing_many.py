"""The kernels of many networks, listed by several processes: most of a cold prediction is a conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from hwnas.core.errors import HwnasError
from hwnas.core.workload import Workload
from hwnas.host.parent_death import die_with_parent
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.listing import list_kernels

#: Kernels, or None where a network cannot be listed: listed by itself it gives its reason.
Listed = tuple[KernelFacts, ...] | None


def listed_in_processes(
    workloads: Sequence[Workload],
    backend: str,
    threads: int,
    geometries: Sequence[str],
    processes: int,
    told: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[Workload, Listed]]:
    """List networks, in the order in which they are ready.

    Each process loads PyTorch and the backend once, which takes seconds and some hundred megabytes. It must be
    able to import the program that calls this, as every process that Python starts. One that dies costs the
    networks that were not listed yet: nothing is said of them.

    Args:
        workloads: No live modules.
        backend: Full id.
        threads: Threads of the backend.
        geometries: Caches whose misses are modelled.
        processes: At most so many.
        told: Called with how many are done.
    """
    count = max(1, min(processes, len(workloads)))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=die_with_parent) as pool:
        asked: dict[Future[Listed], Workload] = {}
        try:
            for workload in workloads:
                asked[pool.submit(_listed, workload, backend, threads, tuple(geometries))] = workload
            for number, done in enumerate(as_completed(asked), 1):
                yield asked[done], done.result()
                told(f"listed {number} of {len(workloads)}: {asked[done].label}")
        except BrokenProcessPool:
            told("a process that lists networks has ended early")
        finally:
            pool.shutdown(cancel_futures=True)


def _listed(workload: Workload, backend: str, threads: int, geometries: tuple[str, ...]) -> Listed:
    try:
        listed = list_kernels(workload, backend, threads, geometries=geometries)
    except HwnasError:
        return None
    return tuple(KernelFacts.of(kernel) for kernel in listed)
