"""Finalists: the networks that are measured and trained with several seeds before one of them wins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwnas.core.workload import Workload
from hwnas.jobs.feasibility import Feasibility, LatencyProof, together
from hwnas.jobs.host_timer import HostTimer, Times
from hwnas.jobs.kernel_records import kernel_records
from hwnas.searching.limit import Limit
from hwnas.searching.trial import SearchResult, Trial
from hwnas.training.several_seeds import MeanAccuracy

#: How surely of the limits a finalist is, for people.
_ORDER = {None: 0, Feasibility.FEASIBLE: 0, Feasibility.UNCLEAR: 1, Feasibility.NOT: 2}


@dataclass(frozen=True)
class Finalist:
    """A network in the end.

    Args:
        trial: That found it.
        workload: The network.
        proofs: Measured latencies, one a backend.
        chosen_by: Mean accuracy on the images that choose among finalists; None before it is trained.
        reported: On those that decide nothing; None where there are none.
        kernels: The costliest on the first backend (:func:`hwnas.jobs.kernel_records.kernel_records`).
    """

    trial: Trial
    workload: Workload
    proofs: tuple[LatencyProof, ...]
    chosen_by: MeanAccuracy | None = None
    reported: MeanAccuracy | None = None
    kernels: tuple[dict[str, Any], ...] = ()

    @property
    def verdict(self) -> Feasibility | None:
        """Of all latency limits together; None without any."""
        return together(proof.verdict for proof in self.proofs)

    @property
    def rank(self) -> tuple[int, float]:
        """The smallest wins: feasible before unclear, then the most accurate."""
        accuracy = self.chosen_by.mean if self.chosen_by else (self.trial.accuracy or 0.0)
        return _ORDER[self.verdict], -accuracy

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "trial": self.trial.number,
            "architecture": dict(self.trial.architecture),
            "text": self.trial.text,
            "verdict": self.verdict,
            "latencies": [
                {**proof.record(), "predicted": _predicted(self.trial, proof.backend)} for proof in self.proofs
            ],
            "accuracy": accuracy_record(self.reported or self.chosen_by, self.trial),
            "validation_accuracy": accuracy_record(self.chosen_by, self.trial),
        }


def _predicted(trial: Trial, backend: str) -> dict[str, Any] | None:
    """What was thought of the latency before the network was measured."""
    cost = trial.costs.get(f"latency {backend}")
    if cost is None or cost.prediction is None:
        return None
    median_s, low_s, high_s = cost.prediction
    return {
        "latency_ms": median_s * 1e3,
        "interval_ms": [low_s * 1e3, high_s * 1e3],
        "measured": cost.measured,
    }


def accuracy_record(found: MeanAccuracy | None, trial: Trial) -> dict[str, Any]:
    """JSON-ready; of one training where a network was trained once."""
    if found is None:
        return {
            "mean": trial.accuracy,
            "seeds": 1,
            "accuracies": [] if trial.accuracy is None else [trial.accuracy],
            "interval": None,
            "image_interval": None,
            "images": None,
        }
    return {
        "mean": found.mean,
        "seeds": len(found.seeds),
        "accuracies": [a.value for a in found.accuracies],
        "interval": found.interval,
        "image_interval": found.image_interval,
        "images": found.accuracies[0].n_images,
    }


def measured_latencies(finalists: Iterable[Finalist]) -> dict[str, dict[str, float]]:
    """Name of a cost -> compact text of a finalist -> its latency as it was measured [s]."""
    found: dict[str, dict[str, float]] = {}
    for finalist in finalists:
        for proof in finalist.proofs:
            if proof.estimate is not None:
                own = found.setdefault(f"latency {proof.backend}", {})
                own[finalist.trial.text] = proof.estimate.latency_s
    return found


def violation(trial: Trial, limits: Sequence[Limit]) -> float:
    """How far a network is beyond the limits by what is known now, nothing being measured; at most 0 within."""
    found = (limit.violation(limit.cost.estimate(trial.architecture)) for limit in limits)
    return max(found, default=0.0)


def most_accurate(result: SearchResult, limits: Sequence[Limit], known: Sequence[Finalist]) -> list[Trial]:
    """Trials that may win, the most accurate first.

    What was measured counts as it was measured. Where no network is within the limits any more, those nearest
    to them come first: a model that has become less sure is no reason to measure none.

    Args:
        result: Of the search.
        limits: That must hold by what is known now.
        known: Finalists that were measured.
    """
    verdicts = {finalist.trial.text: finalist.verdict for finalist in known}
    complete = sorted(result.complete, key=lambda trial: -(trial.accuracy or 0.0))
    possible = [t for t in complete if verdicts.get(t.text) is not Feasibility.NOT]
    within = [t for t in possible if t.text in verdicts or violation(t, limits) <= 0]
    return within or sorted(possible, key=lambda trial: violation(trial, limits))


def next_in_line(result: SearchResult, limits: Sequence[Limit], known: Sequence[Finalist]) -> list[Trial]:
    """Trials that were not measured, for where none of those that were is within the limits.

    Those that are within them by what is known now come first, the most accurate before the others; then those
    nearest to them.

    Args:
        result: Of the search.
        limits: Of the search.
        known: Finalists that were measured.
    """
    measured = {finalist.trial.text for finalist in known}
    left = [trial for trial in result.complete if trial.text not in measured]
    beyond = {trial.text: max(0.0, violation(trial, limits)) for trial in left}
    return sorted(left, key=lambda trial: (beyond[trial.text], -(trial.accuracy or 0.0)))


def ahead(result: SearchResult, limits: Sequence[Limit], known: Sequence[Finalist]) -> list[Trial]:
    """Trials that were not measured and could win all the same, the most accurate first.

    They are within the limits by what is known now, and more accurate than every finalist that is surely within
    them.

    Args:
        result: Of the search.
        limits: That must hold.
        known: Finalists that were measured.
    """
    measured = {finalist.trial.text for finalist in known}
    sure = (f.trial.accuracy or 0.0 for f in known if f.verdict is Feasibility.FEASIBLE)
    best = max(sure, default=-math.inf)
    better = [t for t in result.complete if t.text not in measured and (t.accuracy or 0.0) > best]
    within = (trial for trial in better if violation(trial, limits) <= 0)
    return sorted(within, key=lambda trial: -(trial.accuracy or 0.0))


def spread_over(front: Sequence[Trial], count: int) -> list[Trial]:
    """Some trials of a front, its ends among them, the most accurate first.

    Args:
        front: Cheapest first.
        count: How many.
    """
    if len(front) <= count:
        return list(reversed(front))
    if count == 1:
        return [front[-1]]
    places = [round(place * (len(front) - 1) / (count - 1)) for place in range(count)]
    return [front[place] for place in reversed(places)]


def prove(
    timer: HostTimer,
    trials: Sequence[tuple[Trial, Workload]],
    backends: Sequence[str],
    limits_s: Mapping[str, float],
) -> list[Finalist]:
    """Measure finalists, until it is clear whether they are within the limits, or the passes are spent.

    A look that more passes may follow takes the 99 % interval (:meth:`HostTimer.close`); the verdict in the end
    is that of the 95 % interval.

    Args:
        timer: Measures.
        trials: Each with its network.
        backends: Full ids.
        limits_s: Backend -> the most that an inference may take [s].
    """

    def proofs(workload: Workload, times: Times) -> tuple[LatencyProof, ...]:
        found = ((backend, times[workload, backend]) for backend in backends)
        return tuple(LatencyProof(b, timed.estimate, limits_s.get(b), timed.reason) for b, timed in found)

    def is_open(workload: Workload, times: Times) -> bool:
        return any(p.verdict is Feasibility.UNCLEAR and p.estimate is not None for p in proofs(workload, times))

    times = timer.close([workload for _, workload in trials], backends, is_open=is_open)
    return [
        Finalist(
            trial,
            workload,
            proofs(workload, times),
            kernels=tuple(kernel_records(times[workload, backends[0]].kernels)),
        )
        for trial, workload in trials
    ]
