"""Cells of which everything is known, without a database between: latencies, intervals, faults and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from report_lab import OPENVINO, TORCH, Lab

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.measuring.statistics import Comparison, Estimate, judge
from hwnas.report.cells import Cell, Selection
from hwnas.report.claims.catalogue import CLAIMS, judge_claim
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import Finding
from hwnas.testing.examples import example_environment
from hwnas.workloads.patterns import PatternStack

PAPER_CACHE, HOST_CACHE, PMU = ("model", "4194304,16,64"), ("model", "33554432,16,64"), ("pmu", None)
#: Backend -> source and cache -> misses.
Counts = Mapping[str, Mapping[tuple[str, str | None], float]]


@dataclass(frozen=True)
class Case:
    """A workload on some arms.

    Args:
        workload: What ran.
        times: Backend -> latency [s], or what became of it.
        counts: Its misses.
        threads: Of every arm.
        passes: Of every arm.
        preemptions: A second.
        half_width: Of every interval, relative.
        alone: Backends that ran in no round with another.
    """

    workload: Workload
    times: Mapping[str, float | tuple[Status, str]]
    counts: Counts = field(default_factory=dict)
    threads: int = 1
    passes: int = 2
    preemptions: float = 0.0
    half_width: float = 0.01
    alone: tuple[str, ...] = ()

    def without(self, backend: str, status: Status = Status.REFUSED, reason: str = "9 GiB") -> Case:
        """One arm has no latency."""
        return replace(self, times={**self.times, backend: (status, reason)})

    def times_as_long(self, factor: float, backend: str = OPENVINO) -> Case:
        """One arm takes longer."""
        return replace(self, times={**self.times, backend: self.times[backend] * factor})

    def cells(self, baseline: str) -> Iterable[Cell]:
        stack = PatternStack.of(self.workload) if self.workload.kind == "pattern" else None
        base = self.times.get(baseline)
        for backend, time in self.times.items():
            cell = Cell(self.workload, backend, self.threads, Status.OK, macs=stack.macs if stack else None)
            if isinstance(time, tuple):
                yield replace(cell, status=time[0], reason=time[1], no_comparison="no latency to compare")
                continue
            passes = tuple(range(self.passes))
            low, high = 1 / (1 + self.half_width), 1 + self.half_width
            found = Estimate(
                time, time * low, time * high, time, 0.01, 0.01, self.passes, 9 * self.passes, self.preemptions
            )
            counts = self.counts.get(backend, {})
            cell = replace(
                cell,
                estimate=found,
                passes=passes,
                campaign_uid="study",
                cache_misses=tuple(Counter(LLC_MISSES, n, *kind, self.threads) for kind, n in counts.items()),
            )
            if {backend, baseline} & set(self.alone):
                cell = replace(cell, no_comparison=f"not measured side by side with {baseline}")
            elif isinstance(base, float) and backend != baseline:
                s = base / time
                compared = Comparison(s, s * low, s * high, judge(s, s * low, s * high))
                cell = replace(cell, comparison=compared, baseline=baseline, paired_passes=passes)
            yield cell

    def fill(self, lab: Lab, campaign_uid: str) -> None:
        """Measure it on the made-up machine."""
        for pass_index in range(self.passes):
            found = lab.host.group(self.workload, self.times, pass_index=pass_index, rounds=4)
            counted = [
                replace(
                    m,
                    counters=tuple(
                        Counter(LLC_MISSES, n, *kind, 1) for kind, n in self.counts.get(m.backend, {}).items()
                    ),
                )
                for m in found
            ]
            lab.add(counted, campaign_uid)


class Findings(Mapping[str, Finding]):
    """Claims by id, each judged when it is asked for."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._claims = {claim.id: claim for claim in CLAIMS}
        self._known: dict[str, Finding] = {}

    def __getitem__(self, claim_id: str) -> Finding:
        if claim_id not in self._known:
            self._known[claim_id] = judge_claim(self._claims[claim_id], self._evidence)
        return self._known[claim_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)


def findings(cases: Iterable[Case]) -> Findings:
    """The claims, judged by them."""
    known = list(cases)

    def select(baseline: str = TORCH) -> Selection:
        cells = tuple(cell for case in known for cell in case.cells(baseline))
        return Selection(cells, example_environment(), baseline, (), 0, True, "a made-up database")

    return Findings(Evidence(select))


def altered(
    cases: Iterable[Case], change: Callable[[Case], Case], *, name: str = "", **params: int
) -> list[Case]:
    """The cases, those of a name and of some parameters (``batch`` among them) changed."""

    def meant(w: Workload) -> bool:
        told = {**w.params, "batch": w.batch}
        return w.name == (name or w.name) and all(told.get(k) == v for k, v in params.items())

    changed = [change(c) if meant(c.workload) else c for c in cases]
    assert changed != list(cases)
    return changed
