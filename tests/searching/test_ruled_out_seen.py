"""Optuna's samplers learn from what a limit has ruled out."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from hwnas.optuna import RuledOutSeen

WIDTHS = CategoricalDistribution(tuple(range(8)))
CHOICES = {"a": WIDTHS, "b": WIDTHS}


class Spy(optuna.samplers.RandomSampler):
    """Keeps the trials that it was shown."""

    def sample_relative(self, study, trial, search_space):
        self.shown = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return super().sample_relative(study, trial, search_space)


def study_with(sampler, directions=("maximize",)):
    """Ten networks with an accuracy, one that was given up, and five that a limit has ruled out."""
    study = optuna.create_study(directions=directions, sampler=sampler)
    rng = np.random.default_rng(0)
    for a, b in rng.integers(0, 4, (10, 2)).tolist():
        values = [(a + b) / 20, *(1.0 for _ in directions[1:])]
        study.add_trial(create_trial(params={"a": a, "b": b}, distributions=CHOICES, values=values))
    given_up = create_trial(
        state=TrialState.PRUNED, params={"a": 3, "b": 3}, distributions=CHOICES, intermediate_values={1: 0.1}
    )
    study.add_trial(given_up)
    for _ in range(5):
        study.enqueue_trial({"a": 7, "b": 7})
        asked = study.ask(CHOICES)
        asked.set_constraint("latency", 1.0)
        study.tell(asked, state=TrialState.PRUNED)
    return study


@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")])
def test_a_sampler_is_shown_them_as_complete_and_the_study_is_not(directions):
    spy = Spy(seed=0)
    study = study_with(RuledOutSeen(spy), directions)
    before = [trial.state for trial in study.get_trials()]
    study.ask(CHOICES)
    assert len(spy.shown) == 10 + 5
    complete = [trial.values for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    assert len(complete) == 10
    for trial in spy.shown[10:]:
        assert trial.constraints == {"latency": 1.0}
        assert trial.values == np.median(complete, axis=0).tolist()
    assert [trial.state for trial in study.get_trials()][: len(before)] == before


def test_nothing_is_shown_before_anything_is_complete():
    spy = Spy(seed=0)
    study = optuna.create_study(sampler=RuledOutSeen(spy))
    asked = study.ask(CHOICES)
    asked.set_constraint("latency", 1.0)
    study.tell(asked, state=TrialState.PRUNED)
    study.ask(CHOICES)
    assert spy.shown == []


def infeasible_asked(sampler, trials):
    """How many of a study's trials are beyond a limit that 10 of 64 networks hold."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(trials):
        trial = study.ask(CHOICES)
        total = trial.params["a"] + trial.params["b"]
        trial.set_constraint("latency", float(total - 3.5))
        if total > 3.5:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, total / 20)
    return sum(trial.state is TrialState.PRUNED for trial in study.get_trials())


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("make", [optuna.samplers.NSGAIISampler, optuna.samplers.NSGAIIISampler])
def test_evolution_learns_where_the_limit_is(make):
    alone, told = (
        sum(infeasible_asked(wrap(make(seed=seed, population_size=10)), 60) for seed in range(3))
        for wrap in (lambda sampler: sampler, RuledOutSeen)
    )
    assert told < 0.9 * alone


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_gaussian_process_learns_where_the_limit_is():
    alone, told = (
        infeasible_asked(wrap(optuna.samplers.GPSampler(seed=0, n_startup_trials=6)), 24)
        for wrap in (lambda sampler: sampler, RuledOutSeen)
    )
    assert told < alone
