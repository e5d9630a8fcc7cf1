"""Limits on costs: hard, and decided before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.workloads.spaces.choice import Architecture

CONFIDENCE = 0.9


class Verdict(StrEnum):
    """Where a cost lies, at the confidence of its limit."""

    WITHIN = "WITHIN"
    BEYOND = "BEYOND"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True)
class Limit:
    """The most that a network may cost.

    Args:
        cost: Tells the cost.
        at_most: In the cost's unit.
        confidence: A network is let through where its cost is at most `at_most` so surely: where the upper end
            of the one-sided interval is.
        measured_below: A network that holds the limit less likely than so is measured before it is let through,
            while the cost can be: from `confidence`, below which none is let through, to 1. None where only
            those are that the estimate leaves open.

    Raises:
        UsageError: A value is out of range.
    """

    cost: CostModel
    at_most: float
    confidence: float = CONFIDENCE
    measured_below: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.at_most) and self.at_most > 0):
            raise UsageError(f"the limit of {self.cost.name} is {self.at_most}", "Give a positive number")
        if not 0.5 <= self.confidence < 1:
            raise UsageError(
                f"the confidence of the limit of {self.cost.name} is {self.confidence}",
                "Give a share from 0.5 up to, but not, 1",
            )
        # Written so that it is refused where it is not a number.
        if self.measured_below is not None and not self.confidence <= self.measured_below <= 1:
            raise UsageError(
                f"measured_below of the limit of {self.cost.name} is {self.measured_below}",
                f"Give a share from its confidence, {self.confidence}, to 1, or None",
            )

    @property
    def told(self) -> str:
        """For people, such as ``latency openvino:cpu:fp32 2.00 ms at 90 %``."""
        return f"{self.cost.name} {self.cost.told(self.at_most)} at {100 * self.confidence:g} %"

    def wants_measuring(self, estimate: Estimate) -> bool:
        """Whether the first network of an estimate is to be measured before anything is decided."""
        verdict = self.verdict(estimate)
        if verdict is not Verdict.WITHIN or self.measured_below is None:
            return verdict is Verdict.UNCLEAR
        return float(estimate.chance_within(self.at_most)[0]) < self.measured_below

    def verdict(self, estimate: Estimate) -> Verdict:
        """Of the first network of an estimate."""
        chance = float(estimate.chance_within(self.at_most)[0])
        if chance >= self.confidence:
            return Verdict.WITHIN
        return Verdict.BEYOND if chance <= 1 - self.confidence else Verdict.UNCLEAR

    def violation(self, estimate: Estimate) -> float:
        """Logarithm of the upper end over the limit, as Optuna takes it: at most 0 where the limit holds."""
        return float(np.log(estimate.upper(self.confidence)[0] / self.at_most))


@dataclass(frozen=True)
class Judgement:
    """What is known of a network before it is trained.

    Args:
        estimates: Name of a cost -> its estimate, of length 1.
        violations: Name of a limited cost -> :meth:`Limit.violation`.
        measured: Names of costs that are known from a measurement.
        foretold: Name of such a cost -> what was told before it was measured, where something was.
    """

    estimates: Mapping[str, Estimate]
    violations: Mapping[str, float]
    measured: tuple[str, ...] = ()
    foretold: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """Whether every limit holds."""
        return all(violation <= 0 for violation in self.violations.values())


def judge(architecture: Architecture, costs: Iterable[CostModel], limits: Sequence[Limit]) -> Judgement:
    """Decide whether a network is within all limits.

    Where an estimate leaves that open, or is not sure enough (:attr:`Limit.measured_below`), and the cost can
    still be measured, it is, once; but not for a network that another limit rules out anyway.

    Args:
        architecture: Of the network.
        costs: What to estimate besides the limited costs.
        limits: That must hold.

    Raises:
        CellError: The network cannot be judged.
    """
    models = {model.name: model for model in (*(limit.cost for limit in limits), *costs)}
    estimates = {name: model.estimate(architecture) for name, model in models.items()}
    verdicts = [limit.verdict(estimates[limit.cost.name]) for limit in limits]
    if Verdict.BEYOND not in verdicts:
        for limit in limits:
            known = limit.cost.is_measured(architecture)
            wanted = limit.wants_measuring(estimates[limit.cost.name])
            if wanted and not known and limit.cost.measurements_left > 0:
                limit.cost.measure([architecture])
                estimates[limit.cost.name] = limit.cost.estimate(architecture)
                if limit.violation(estimates[limit.cost.name]) > 0:
                    break
    violations = {limit.cost.name: limit.violation(estimates[limit.cost.name]) for limit in limits}
    measured = [model for model in models.values() if model.is_measured(architecture)]
    foretold = {m.name: told for m in measured if (told := m.foretold(architecture)) is not None}
    return Judgement(estimates, violations, tuple(m.name for m in measured), foretold)
