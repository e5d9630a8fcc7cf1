"""What became of the networks of a search, and what it found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hwnas.core.workload import Scalar
from hwnas.searching.pareto import front


class TrialState(StrEnum):
    """How a trial ended."""

    #: Evaluated to its end.
    COMPLETE = "COMPLETE"
    #: Given up on the way, since its accuracy was poor.
    PRUNED = "PRUNED"
    #: Ruled out by a limit before anything was trained; costs no evaluation.
    INFEASIBLE = "INFEASIBLE"
    #: The evaluation failed, or its process died.
    FAILED = "FAILED"
    #: Being evaluated, here or elsewhere.
    RUNNING = "RUNNING"


@dataclass(frozen=True)
class Cost:
    """An estimate as it stood when the trial was judged.

    Args:
        median: In the unit of its cost.
        low: Lower end of the two-sided 90 % interval.
        high: Its upper end.
        measured: Whether it is known from a measurement.
        foretold: Median and interval of what was told before that measurement; None without, or where nothing
            was told.
    """

    median: float
    low: float
    high: float
    measured: bool = False
    foretold: tuple[float, float, float] | None = None

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Cost:
        """The reverse of :meth:`record`."""
        foretold = record.get("foretold")
        return cls(
            record["median"],
            record["low"],
            record["high"],
            record.get("measured", False),
            None if foretold is None else (foretold[0], foretold[1], foretold[2]),
        )

    @property
    def prediction(self) -> tuple[float, float, float] | None:
        """Median and interval of what was told without measuring the network; None where nothing was."""
        return self.foretold if self.measured else (self.median, self.low, self.high)

    def record(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "measured": self.measured,
            "foretold": self.foretold,
        }


@dataclass(frozen=True)
class Trial:
    """One network of a search.

    Args:
        number: In the order of their suggestion, from 0.
        architecture: Choice -> option, in canonical form.
        text: The same in the space's compact text.
        state: What became of it.
        accuracy: From 0 to 1; of a pruned one as far as it came; None without an evaluation.
        costs: Name of a cost -> its estimate.
        violations: Name of a limited cost -> logarithm of upper end over limit; at most 0 where it holds.
        seconds: Time of the network's evaluation, that of earlier runs included [s].
        note: Why it failed, or was given up by its evaluator.
        repeats: Number of the trial with the same network whose end it took over: its accuracy, or that it was
            given up.
    """

    number: int
    architecture: Mapping[str, Scalar]
    text: str
    state: TrialState
    accuracy: float | None = None
    costs: Mapping[str, Cost] = field(default_factory=dict)
    violations: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    note: str = ""
    repeats: int | None = None

    @property
    def evaluated(self) -> bool:
        """Whether it has cost an evaluation."""
        return self.state in (TrialState.COMPLETE, TrialState.PRUNED) and self.repeats is None

    def record(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "number": self.number,
            "architecture": dict(self.architecture),
            "text": self.text,
            "state": self.state.value,
            "accuracy": self.accuracy,
            "costs": {name: cost.record() for name, cost in self.costs.items()},
            "violations": dict(self.violations),
            "seconds": self.seconds,
            "note": self.note,
            "repeats": self.repeats,
        }


@dataclass(frozen=True)
class SearchResult:
    """What a search has found so far.

    Args:
        study: Name of the study that holds it.
        space: Name of the space.
        digest: Of the space's definition.
        engine: Who suggested networks.
        sampler: Its sampler's name.
        seed: Of the search.
        limits: What had to hold, for people.
        traded: Names of costs that were kept small besides.
        trials: All of them, in the order of their suggestion.
        measured: Name of a cost -> compact text of an architecture -> what was measured, in the cost's unit.
        ended: Why there are no more evaluations; empty where there are as many as were asked for.
    """

    study: str
    space: str
    digest: str
    engine: str
    sampler: str
    seed: int
    limits: tuple[str, ...]
    traded: tuple[str, ...]
    trials: tuple[Trial, ...]
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ended: str = ""

    @property
    def evaluations(self) -> int:
        """Networks that were evaluated."""
        return sum(trial.evaluated for trial in self.trials)

    @property
    def complete(self) -> tuple[Trial, ...]:
        """Trials that were evaluated to their end."""
        return tuple(t for t in self.trials if t.state is TrialState.COMPLETE and t.repeats is None)

    @property
    def best(self) -> Trial | None:
        """The most accurate network within the limits, the first of equal ones; None before there is any."""
        return max(self.complete, key=_accuracy, default=None)

    @property
    def front(self) -> tuple[Trial, ...]:
        """The networks that no other one beats in accuracy and all costs that were kept small, cheapest first.

        By what was measured, where it was. Without such costs, the best one alone.
        """
        return tuple(front_of(self.complete, self.traded, self.measured))

    def record(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "study": self.study,
            "space": self.space,
            "digest": self.digest,
            "engine": self.engine,
            "sampler": self.sampler,
            "seed": self.seed,
            "limits": list(self.limits),
            "traded": list(self.traded),
            "evaluations": self.evaluations,
            "ended": self.ended,
            "best": self.best.number if self.best else None,
            "front": [trial.number for trial in self.front],
            "measured": {name: dict(values) for name, values in self.measured.items()},
            "trials": [trial.record() for trial in self.trials],
        }


def front_of(
    trials: Collection[Trial], costs: Sequence[str], measured: Mapping[str, Mapping[str, float]]
) -> list[Trial]:
    """The trials that no other one beats in accuracy and costs, cheapest first.

    Args:
        trials: That were evaluated to their end.
        costs: Names of those to keep small.
        measured: Name of a cost -> compact text of an architecture -> what was measured; it counts instead of
            an estimate.
    """
    own = list(trials)
    known = [[measured.get(name, {}).get(t.text, t.costs[name].median) for name in costs] for t in own]
    return [own[place] for place in front([_accuracy(trial) for trial in own], known)]


def _accuracy(trial: Trial) -> float:
    return trial.accuracy if trial.accuracy is not None else -1.0
