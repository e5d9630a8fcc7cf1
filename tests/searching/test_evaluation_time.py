"""The time of evaluations outlives the processes that have spent it."""

import random

import optuna
import pytest
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from searching_lab import Known, small_space

from hwnas.searching.evaluation_time import Stopwatch, relative_epoch_time, seconds_by_network
from hwnas.searching.optuna_sampler import HwnasSampler
from hwnas.searching.optuna_space import distributions
from hwnas.searching.run import run_search
from hwnas.training.accuracy import Accuracy, EpochReport


class Trains(Known):
    """Says of itself that an epoch takes 100 s, and that a training goes on behind its last one.

    Args:
        space: Of the networks.
        looks: Called after each new epoch.
    """

    def __init__(self, space, looks=lambda: None):
        super().__init__(space)
        self.looks, self.finished = looks, 0

    def evaluate(self, workload, *, seed=0, epochs=None, report=None):
        found = super().evaluate(workload)
        for epoch in (1, 2):
            replayed = epoch <= self.finished
            self.finished = max(self.finished, epoch)
            report(EpochReport(epoch, 2, 0.5, None, 100.0 * epoch, 0.0, replayed))
            if not replayed:
                self.looks()
        self.finished = 0
        return Accuracy(found.value, epochs=2, seconds=200.0)


def test_a_broken_off_evaluation_counts_once_when_it_goes_on(tmp_path):
    space, keep = small_space(tmp_path), str(tmp_path / "a.db")
    options = {"sampler": "random", "storage": keep, "study": "s", "resume": True}
    seen = []

    def looks():
        """What a kill at this moment would leave."""
        (running,) = optuna.load_study(study_name="s", storage=f"sqlite:///{keep}").trials
        seen.append(running.user_attrs["seconds"])
        raise KeyboardInterrupt

    evaluator = Trains(space, looks)
    with pytest.raises(KeyboardInterrupt):
        run_search(space, evaluator, trials=1, **options)
    assert 100 <= seen[0] < 101
    # Of 90 s, 100 are over.
    assert run_search(space, evaluator, trials=1, budget_s=90, **options).evaluations == 0
    evaluator.looks = lambda: None
    result = run_search(space, evaluator, trials=1, budget_s=150, **options)
    assert result.evaluations == 1
    assert [trial.seconds for trial in result.complete] == [pytest.approx(200, abs=1)]
    # 200 s in all, not 100 and 200.
    assert run_search(space, evaluator, trials=2, budget_s=190, **options).evaluations == 1
    assert run_search(space, evaluator, trials=2, budget_s=290, **options).evaluations == 2


def test_an_evaluator_that_tells_no_time_is_timed():
    clock = Stopwatch(5.0)
    clock.hear(3.0)
    first = clock.seconds
    assert 5.0 <= first <= clock.seconds < 1e6
    clock.hear(1e6)
    assert clock.seconds == 1e6


def test_of_trials_of_one_network_the_longest_counts():
    def trial(text, seconds):
        attributes = {"architecture": text} | ({} if seconds is None else {"seconds": seconds})
        return create_trial(state=OptunaState.FAIL, user_attrs=attributes)

    trials = [trial("a", 3.0), trial("a", 7.0), trial("b", None), trial("c", 1.0), trial("a", 5.0)]
    assert seconds_by_network(trials) == {"a": 7.0, "c": 1.0}


def test_an_epochs_time_is_told_in_parts_of_the_usual_one():
    def trial(epochs, seconds):
        attributes = {} if seconds is None else {"seconds": seconds}
        curve = dict.fromkeys(range(1, epochs + 1), 0.5)
        return create_trial(state=OptunaState.FAIL, user_attrs=attributes, intermediate_values=curve)

    # Five epochs in 30 s; those without an epoch or a time are left out.
    others = [trial(2, 10.0), trial(3, 20.0), trial(0, 99.0), trial(4, None)]
    assert relative_epoch_time(trial(2, 24.0), others) == pytest.approx(2.0)
    assert relative_epoch_time(trial(1, 3.0), others) == pytest.approx(0.5)
    # Where nobody knows it is the usual one.
    for own, known in ((trial(2, None), others), (trial(2, 0.0), others), (trial(2, 24.0), others[2:])):
        assert relative_epoch_time(own, known) == 1.0


def test_a_trial_that_repeats_another_takes_its_time_from_nobody(tmp_path):
    space = small_space(tmp_path)
    study = optuna.create_study(direction="maximize")
    for attributes in ({"seconds": 12.0}, {"repeats": 0}):
        trial = create_trial(
            value=0.5,
            params=space.sample(random.Random(0)),
            distributions=distributions(space),
            user_attrs=attributes,
        )
        study.add_trial(trial)
    seen = HwnasSampler(space, budget_s=100.0)._seen(study, study.ask())
    assert seen.seconds.tolist() == [12.0]
