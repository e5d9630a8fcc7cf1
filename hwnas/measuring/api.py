"""`hwnas.measure` for a notebook or a training script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwnas.backends.registry import BACKENDS
from hwnas.core.counter import Counter
from hwnas.core.counter import cache_misses as misses_by_source
from hwnas.core.errors import UsageError
from hwnas.core.measurement import PROTOCOL_VERSION, Measurement, Status
from hwnas.core.units import format_seconds
from hwnas.core.workload import Workload
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.counting import CacheMisses
from hwnas.measuring.events import NoticeKeeper, Silent, Watcher
from hwnas.measuring.experiment import Experiment, check_threads
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import Comparison, Estimate, compare, estimate
from hwnas.store import LatencyStore
from hwnas.workloads.cost import module_cost
from hwnas.workloads.live import dump_module, load_module, workload_of_module

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class BackendResult:
    """One backend's part of :class:`Measurements`.

    Args:
        backend: Full id.
        status: What became of it.
        reason: Why, when `status` is not OK.
        estimate: Latency with its interval [s]; None unless `status` is OK.
        comparison: Against the first backend; None for that one itself and where either is missing.
        passes: The raw measurements.
    """

    backend: str
    status: Status
    reason: str
    estimate: Estimate | None
    comparison: Comparison | None
    passes: tuple[Measurement, ...]

    @property
    def cache_misses(self) -> tuple[Counter, ...]:
        """Last-level-cache misses of one inference: one count for each source and cache."""
        return misses_by_source(c for m in self.passes for c in m.counters)


@dataclass(frozen=True)
class Measurements:
    """What :func:`measure` found, one result a backend, in the order asked for.

    Args:
        workload: What ran.
        results: One for each backend.
        notices: What disturbed the machine meanwhile.
    """

    workload: Workload
    results: tuple[BackendResult, ...]
    notices: tuple[str, ...] = ()

    def __getitem__(self, backend: str) -> BackendResult:
        """The result of a backend, by full or short id.

        Raises:
            UnknownName: No such backend.
            UsageError: It was not measured here.
        """
        name = BACKENDS.resolve(backend)
        for result in self.results:
            if result.backend == name:
                return result
        raise UsageError(f"{name} was not measured", f"Measured: {', '.join(r.backend for r in self.results)}")

    def __iter__(self) -> Iterator[BackendResult]:
        return iter(self.results)

    def __str__(self) -> str:
        lines = [self.workload.label]
        for r in self.results:
            if r.estimate is None:
                lines.append(f"  {r.backend}: {r.status} ({r.reason})")
                continue
            e = r.estimate
            interval = f"[{format_seconds(e.low_s)}, {format_seconds(e.high_s)}]"
            text = f"  {r.backend}: {format_seconds(e.latency_s)} {interval}"
            if r.comparison:
                c = r.comparison
                text += f", speedup {c.speedup:.2f} [{c.low:.2f}, {c.high:.2f}] {c.verdict}"
            lines.append(text)
        return "\n".join(lines)


def measure(
    model: torch.nn.Module | Workload,
    example_input: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
    *,
    backends: Sequence[str] = ("torch:cpu:fp32", "openvino:cpu:fp32"),
    threads: int = 1,
    settings: Settings | None = None,
    cache_misses: str = "auto",
    caches: Sequence[str] = ("host",),
    store: LatencyStore | str | Path | None = None,
    watcher: Watcher | None = None,
) -> Measurements:
    """Measure one model on several backends, interleaved, in processes of their own.

    Args:
        model: A module in eval mode, which is copied and not changed; or a workload.
        example_input: A float32 tensor (or a tuple of one), batch first; needed for a module.
        backends: Full or short ids; speedups refer to the first.
        threads: Threads of every backend.
        settings: The measuring protocol's parameters; by default three passes of 4 s an arm.
        cache_misses: Source of last-level-cache misses: ``auto``, ``pmu``, ``callgrind``, ``model`` or ``off``.
        caches: Caches to simulate: ``host``, ``paper``, ``i5-7600k`` or ``SIZE,WAYS,LINE``.
        store: An open database, a path or a URL to keep the measurements in; by default they are
            kept nowhere but in the result. What an earlier call with the same arguments finished is reused.
        watcher: Told of progress.

    Returns:
        Latencies with intervals, speedups and verdicts.

    Raises:
        UnknownName: No such backend, or source of cache misses.
        UsageError: The model, its input, the threads, the list of backends or a cache cannot be used, or
            a source that was asked for by name is missing here.
        OutOfMemory: The model does not fit into memory.
        LockHeld: Another campaign measures on this machine.
        DatabaseError: `store` cannot be used.
        HwnasError: There is no room for temporary files.

    Examples:
        >>> import torch, hwnas
        >>> from hwnas.measuring.settings import Settings
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).eval()
        >>> found = hwnas.measure(
        ...     model,
        ...     torch.randn(1, 3, 32, 32),
        ...     backends=["torch", "openvino:cpu:fp32"],
        ...     settings=Settings(passes=1, max_passes=1, budget_s=0.3, warmup_s=0.05),
        ... )
        >>> found["torch"].estimate.latency_s > 0
        True
        >>> [result.status.value for result in found]
        ['ok', 'ok']
    """
    if not backends:
        raise UsageError("no backend was named", "Give at least one, such as backends=['openvino:cpu:fp32']")
    check_threads(threads)
    blobs: dict[str, bytes] = {}
    if isinstance(model, Workload):
        workload = model
    else:
        inputs = _inputs(example_input)
        workload = workload_of_module(model, inputs)
        blobs[workload.key] = dump_module(model, inputs)
    experiment = Experiment(
        name=workload.name,
        title="",
        workloads=(workload,),
        backends=tuple(dict.fromkeys(BACKENDS.resolve(b) for b in backends)),
        threads=threads,
        settings=settings or Settings(),
        cache_misses=CacheMisses(cache_misses, tuple(caches)),
    )
    told = NoticeKeeper(watcher or Silent())
    environment = probe_environment()
    # Even making a plan computes enough to disturb somebody else's measurement.
    with measuring_lock(f"hwnas.measure({workload.name})"):
        # Of what the workers will get, so that nothing happens to the caller's module.
        costs = {key: module_cost(*load_module(workload, blob)) for key, blob in blobs.items()}
        plan = Plan.of(experiment, costs)
        opened = (
            store
            if isinstance(store, LatencyStore)
            else LatencyStore.open("sqlite://" if store is None else store)
        )
        try:
            uid = Campaign(plan, opened, environment, told, blobs).run().campaign_uid
            found = [s.measurement for s in opened.measurements(campaign_uid=uid)]
            reference = opened.canary_reference(environment, PROTOCOL_VERSION)
        finally:
            if opened is not store:
                opened.close()
    return replace(collect(workload, experiment.backends, found, reference), notices=tuple(told.notices))


def collect(
    workload: Workload,
    backends: Sequence[str],
    measurements: Sequence[Measurement],
    reference: dict[str, float] | None,
) -> Measurements:
    """Turn raw measurements of one workload into estimates and comparisons.

    Args:
        workload: What ran.
        backends: Full ids; the first is the baseline.
        measurements: Passes of those backends.
        reference: Canary durations [s] that drift-corrected latencies refer to.
    """
    by_backend = {b: [m for m in measurements if m.backend == b] for b in backends}
    baseline = [m for m in by_backend[backends[0]] if m.status is Status.OK]
    results = []
    for backend, passes in by_backend.items():
        usable = [m for m in passes if m.status is Status.OK]
        bad = next((m for m in passes if m.status is not Status.OK), None)
        paired = {m.group for m in baseline} & {m.group for m in usable}
        results.append(
            BackendResult(
                backend=backend,
                status=Status.OK if usable else bad.status if bad else Status.SKIPPED,
                reason="" if usable else bad.reason if bad else "not measured",
                estimate=estimate(usable, reference) if usable else None,
                comparison=compare(baseline, usable) if paired and backend != backends[0] else None,
                passes=tuple(passes),
            )
        )
    return Measurements(workload, tuple(results))


def _inputs(example_input: torch.Tensor | tuple[torch.Tensor, ...] | None) -> tuple[torch.Tensor, ...]:
    if example_input is None:
        raise UsageError("a module needs example_input", "Pass a tensor, or a tuple of tensors, batch first")
    return example_input if isinstance(example_input, tuple) else (example_input,)
