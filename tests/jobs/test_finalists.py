"""Who may be a finalist, who wins, and what a measurement proves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.jobs.feasibility import Feasibility, LatencyProof, together
from hwnas.jobs.finalists import Finalist, spread_over
from hwnas.jobs.listener import JobListener
from hwnas.jobs.material import Material
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.several_trainings import trained_with_seeds
from hwnas.measuring.statistics import Estimate
from hwnas.searching.trial import Trial, TrialState
from hwnas.training.accuracy import Accuracy, Pruned, Report
from hwnas.workloads.spaces.space_file import load_space

WORKLOAD = Workload("space", "patterns", (1, 3, 8, 8), {"architecture": "a", "digest": "b"})


def proof(low: float, high: float, limit: float | None = 1.0) -> LatencyProof:
    middle = (low + high) / 2
    return LatencyProof("torch:cpu:fp32", Estimate(middle, low, high, middle, 0.0, 0.0, 3, 9, None), limit)


def finalist(accuracy: float, *proofs: LatencyProof) -> Finalist:
    return Finalist(Trial(0, {}, "a", TrialState.COMPLETE, accuracy), WORKLOAD, proofs)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 1.0, Feasibility.FEASIBLE),
        (0.9, 1.1, Feasibility.UNCLEAR),
        (1.0, 1.2, Feasibility.UNCLEAR),
        (1.01, 1.2, Feasibility.NOT),
    ],
)
def test_an_interval_decides(low: float, high: float, verdict: Feasibility) -> None:
    assert proof(low, high).verdict is verdict
    assert proof(low, high, None).verdict is None


def test_what_could_not_be_measured_is_unclear_and_says_why() -> None:
    found = LatencyProof("torch:cpu:fp32", None, 1.0, "it died")
    assert found.verdict is Feasibility.UNCLEAR
    assert found.record()["latency_ms"] is None
    assert found.record()["reason"] == "it died"


def test_several_limits_are_as_bad_as_the_worst() -> None:
    feasible, unclear, beyond = Feasibility.FEASIBLE, Feasibility.UNCLEAR, Feasibility.NOT
    assert together([feasible, unclear]) is unclear
    assert together([unclear, beyond, feasible]) is beyond
    assert together([feasible, None]) is feasible
    assert together([None]) is None


def test_a_feasible_network_wins_over_a_more_accurate_one() -> None:
    slow, open_, good, better = (
        finalist(0.99, proof(1.1, 1.2)),
        finalist(0.98, proof(0.9, 1.1)),
        finalist(0.90, proof(0.5, 0.6)),
        finalist(0.91, proof(0.5, 0.6)),
    )
    assert sorted([slow, open_, good, better], key=lambda f: f.rank) == [better, good, open_, slow]


def test_a_front_is_taken_from_end_to_end() -> None:
    front = [Trial(n, {}, str(n), TrialState.COMPLETE, n / 10) for n in range(9)]
    assert [t.number for t in spread_over(front, 3)] == [8, 4, 0]
    assert [t.number for t in spread_over(front, 1)] == [8]
    assert [t.number for t in spread_over(front[:2], 3)] == [1, 0]
    assert spread_over([], 3) == []


class GivingUp:
    """Gives the trainings of two seeds up, one of them without a word."""

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        if seed in (1, 2):
            raise Pruned("poor" if seed == 1 else "")
        return Accuracy(0.9 + seed / 100)


def test_a_training_that_its_evaluator_gives_up_costs_itself_alone(space_file: Path) -> None:
    material = Material(load_space(str(space_file)), GivingUp(), None, None)
    notes: list[str] = []
    found = trained_with_seeds(
        finalist(0.9), material, SearchOptions(), [0, 1, 2, 4], JobListener(), notes.append
    )
    assert found.chosen_by is not None
    assert found.chosen_by.seeds == (0, 4)
    assert found.chosen_by.mean == pytest.approx(0.92)
    assert notes == [
        "the finalist of trial 0 was not trained with seed 1: poor",
        "the finalist of trial 0 was not trained with seed 2: its evaluator gave it up",
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trials": 0}, "trials is 0"),
        ({"max_latency_s": {"torch:cpu:fp32": math.nan}}, "torch:cpu:fp32"),
        ({"max_count": {"macs": -1.0}}, "macs"),
        ({"confidence": 1.0}, "confidence"),
        ({"measurements": 1}, "1 measurements"),
        ({"budget_s": 0.0}, "time"),
        ({"budget_s": math.inf}, "the time is inf s"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296.*to 4294967295"),
        ({"engine": "netadapt"}, "no network to start from"),
        ({"start": "zoo:resnet18"}, "starts from nothing"),
    ],
)
def test_options_are_checked(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(SearchOptions(), **changed)  # type: ignore[arg-type]


def test_options_survive_a_file() -> None:
    options = SearchOptions(max_latency_s={"torch:cpu:fp32": 1e-3}, trials=7, sampler="tpe")
    assert SearchOptions.from_dict(options.to_dict()) == options
    with pytest.raises(UsageError, match="trails"):
        SearchOptions.from_dict({"trails": 7})
