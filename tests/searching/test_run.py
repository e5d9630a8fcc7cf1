"""Searches in Optuna's studies: every sampler, hard limits, and what is kept."""

import random
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from searching_lab import CELLS, Known, Measurable, Sum, each, everything, small_space, tiny_space

from hwnas.core.errors import CellError, UnknownName, UsageError
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.limit import Limit
from hwnas.searching.listener import Listener
from hwnas.searching.optuna_sampler import HwnasSampler
from hwnas.searching.optuna_samplers import SAMPLERS
from hwnas.searching.optuna_space import distributions
from hwnas.searching.run import run_search
from hwnas.searching.suggester import NothingLeft
from hwnas.searching.trial import TrialState
from hwnas.training.accuracy import EpochReport, Pruned


@pytest.fixture
def space(tmp_path):
    """Of a few hundred networks, from a file: workloads of its architectures can be declared."""
    return small_space(tmp_path)


def limit_of(space, share):
    cost = Sum(space)
    return Limit(cost, float(np.quantile(cost.values(everything(space)), share)))


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_every_sampler_keeps_to_the_limit(space, sampler):
    limit, evaluator = limit_of(space, 0.3), Known(space)
    # Optuna's Gaussian process takes long, and begins after ten.
    trials = 11 if sampler == "gp" else 14
    result = run_search(space, evaluator, limits=[limit], sampler=sampler, trials=trials, seed=1)
    assert result.evaluations == trials == len(evaluator.asked) == len(set(evaluator.asked))
    for trial in result.trials:
        (row,) = Known(space).codes.encode([trial.architecture])
        within = limit.cost.values(row[None])[0] <= limit.at_most
        assert within == (trial.state is not TrialState.INFEASIBLE)
        assert (trial.violations["latency"] <= 0) == within
        assert trial.costs["latency"].median == pytest.approx(limit.cost.values(row[None])[0])
    assert result.best is not None
    assert result.best.accuracy == max(trial.accuracy for trial in result.complete)
    assert result.front == (result.best,)


@pytest.mark.parametrize("sampler", ["hwnas", "nsga2", "nsga3"])
def test_without_a_limit_there_is_a_front(space, sampler):
    cost = Sum(space)
    result = run_search(space, Known(space), traded=[cost], sampler=sampler, trials=20)
    latencies = [trial.costs["latency"].median for trial in result.front]
    accuracies = [trial.accuracy for trial in result.front]
    assert len(result.front) > 1
    assert latencies == sorted(latencies)
    assert accuracies == sorted(accuracies)
    assert result.record()["front"] == [trial.number for trial in result.front]


def test_a_front_may_have_a_limit(space):
    limit = limit_of(space, 0.5)
    result = run_search(space, Known(space), limits=[limit], traded=[limit.cost], sampler="tpe", trials=12)
    assert result.front
    assert all(trial.costs["latency"].median <= limit.at_most for trial in result.front)


def test_several_limits_hold_at_once(space):
    slow, large = limit_of(space, 0.5), Limit(Sum(space, name="weights", screens=False), 8e-3)
    result = run_search(space, Known(space), limits=[slow, large], trials=12)
    assert result.complete
    for trial in result.complete:
        assert trial.costs["latency"].high <= slow.at_most
        assert trial.costs["weights"].high <= large.at_most


def test_a_limit_that_nothing_holds_leaves_no_trial(space):
    with pytest.raises(NothingLeft, match="the least is"):
        run_search(space, Known(space), limits=[Limit(Sum(space), 1e-9)], sampler="random")


def test_nothing_is_measured_before_the_first_trial_where_an_estimate_tells_that_the_limit_can_be_held(space):
    """The time is over, so that no trial measures either."""
    # Of the fastest networks an estimate is enough; nearly all others that may be within would be measured.
    sure, unsure = Measurable(space), Measurable(space)
    limit = Limit(sure, 20e-3, measured_below=1.0)
    result = run_search(space, Known(space), limits=[limit], budget_s=0)
    assert (result.trials, result.ended) == ((), "the time is over")
    assert sure.known == []
    # Here the fastest one alone may be within, and only a measurement tells.
    run_search(space, Known(space), limits=[Limit(unsure, 1.05e-3)], budget_s=0)
    assert unsure.known == [unsure.codes.decode([0] * len(space.choices))]


def test_a_search_ends_with_the_space(space):
    limit = limit_of(space, 0.05)
    count = int((limit.cost.values(everything(space)) <= limit.at_most).sum())
    for sampler in ("hwnas", "random"):
        result = run_search(space, Known(space), limits=[limit], sampler=sampler, trials=10_000)
        assert result.evaluations == count


def test_why_there_are_fewer_evaluations_is_told(tmp_path):
    space = tiny_space(tmp_path)
    for trials, options, said in (
        (4, {}, ""),
        (9, {}, f"no further network of the space {space.name} is left to try"),
        (9, {"limits": [limit_of(space, 0.5)]}, "no further network of the space"),
        (9, {"budget_s": 0}, "the time is over"),
        (None, {"budget_s": 0}, "the time is over"),
    ):
        result = run_search(space, Known(space), trials=trials, **options)
        assert said in result.ended
        assert bool(result.ended) == bool(said)
        assert result.record()["ended"] == result.ended


def test_without_a_number_time_or_the_space_ends_the_search(tmp_path, monkeypatch):
    """Two networks, where neither a number nor a time is given; each takes ten seconds."""
    clock = SimpleNamespace(now=0.0)
    for module in ("run", "loop"):
        monkeypatch.setattr(f"hwnas.searching.{module}.time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr("hwnas.searching.run._TRIALS", 2)
    space = tiny_space(tmp_path)

    class Slow(Known):
        def evaluate(self, workload, **_):
            clock.now += 10.0
            return super().evaluate(workload)

    for options, evaluations, ended in (
        ({}, 2, ""),
        ({"budget_s": 25.0}, 3, "the time is over"),
        ({"budget_s": 1e6}, 4, "no further network"),
        ({"budget_s": 25.0, "trials": 2}, 2, ""),
        ({"budget_s": 25.0, "trials": 4}, 3, "the time is over"),
    ):
        result = run_search(space, Slow(space), **options)
        assert result.evaluations == evaluations
        assert ended in result.ended
        assert bool(result.ended) == bool(ended)


def test_a_search_goes_on_by_number_or_by_time(tmp_path):
    keep = {"storage": str(tmp_path / "a.db"), "study": "s", "resume": True}
    space = tiny_space(tmp_path)
    asked = (({"trials": 1}, 1), ({"trials": 2, "budget_s": 1e6}, 2), ({"budget_s": 1e6}, 4))
    for options, evaluations in asked:
        assert run_search(space, Known(space), **options, **keep).evaluations == evaluations


def test_optuna_opens_the_study(space, tmp_path):
    limit = limit_of(space, 0.5)
    result = run_search(
        space,
        Known(space),
        limits=[limit],
        sampler="random",
        trials=6,
        storage=str(tmp_path / "a.db"),
        study="mine",
    )
    study = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path / 'a.db'}")
    assert study.best_value == pytest.approx(result.best.accuracy)
    assert study.best_trial.number == result.best.number
    assert study.best_trial.user_attrs["architecture"] == result.best.text
    assert set(study.best_params) == {choice.name for choice in space.choices}
    assert all(t.constraints["latency"] <= 0 for t in study.trials if t.state.name == "COMPLETE")
    assert study.metric_names == ["accuracy"]


def test_a_finished_search_goes_on(space, tmp_path):
    limit, keep = limit_of(space, 0.4), str(tmp_path / "a.db")
    first = run_search(space, Known(space), limits=[limit], trials=11, storage=keep)
    evaluator = Known(space)
    both = run_search(space, evaluator, limits=[limit], trials=13, storage=keep, resume=True)
    assert len(evaluator.asked) == 2
    assert [t.text for t in both.trials][:11] == [t.text for t in first.trials]
    whole = run_search(space, Known(space), limits=[limit], trials=13)
    # Our sampler keeps nothing that the study does not.
    assert [t.text for t in both.trials] == [t.text for t in whole.trials]


@pytest.mark.parametrize(("others", "trials", "here"), [(2, 4, 2), (3, 9, 1)])
def test_what_other_processes_evaluate_counts_and_is_not_evaluated_again(tmp_path, others, trials, here):
    """The space has four networks, which the sampler suggests at random."""
    space, keep = tiny_space(tmp_path), str(tmp_path / "a.db")

    class Meanwhile(Known):
        """While the first network is evaluated here, others are elsewhere."""

        def evaluate(self, workload, **_):
            found = super().evaluate(workload)
            if len(self.asked) == 1:
                study = optuna.load_study(study_name="s", storage=f"sqlite:///{keep}")
                rows = self.codes.everything
                left = [a for a in map(self.codes.decode, rows) if space.compact(a) not in self.asked]
                for architecture in left[:others]:
                    elsewhere = optuna.trial.create_trial(
                        value=0.5,
                        params=architecture,
                        distributions=distributions(space),
                        user_attrs={"architecture": space.compact(architecture)},
                    )
                    study.add_trial(elsewhere)
            return found

    evaluator = Meanwhile(space)
    result = run_search(space, evaluator, sampler="random", trials=trials, storage=keep, study="s")
    assert result.evaluations == others + here == 4
    assert len(evaluator.asked) == here
    assert len({trial.text for trial in result.complete}) == 4
    assert bool(result.ended) == (trials > 4)


def test_a_limit_that_looks_the_same_is_another_one(space, tmp_path):
    """What people are told of it has three digits."""
    cost, keep = Sum(space), {"sampler": "random", "trials": 1, "storage": str(tmp_path / "a.db"), "study": "s"}
    begun, other = Limit(cost, 8.001e-3), Limit(cost, 8.002e-3)
    assert begun.told == other.told
    run_search(space, Known(space), limits=[begun], **keep)
    with pytest.raises(UsageError, match=r"was begun with at_most .*0\.008001.*, not .*0\.008002"):
        run_search(space, Known(space), limits=[other], resume=True, **keep)
    assert run_search(space, Known(space), limits=[begun], resume=True, **keep).evaluations == 1


def test_another_search_is_not_gone_on_with(space, tmp_path):
    keep = str(tmp_path / "a.db")
    run_search(space, Known(space), trials=1, storage=keep, study="mine", sampler="random")
    with pytest.raises(UsageError, match="'mine' already"):
        run_search(space, Known(space), trials=1, storage=keep, study="mine", sampler="random")
    with pytest.raises(UsageError, match="begun with seed 0, not 1"):
        run_search(
            space, Known(space), trials=1, storage=keep, study="mine", sampler="random", seed=1, resume=True
        )
    optuna.create_study(study_name="other", storage=f"sqlite:///{keep}").ask()
    with pytest.raises(UsageError, match="not one of hwnas"):
        run_search(space, Known(space), trials=1, storage=keep, study="other", sampler="random", resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "tpee"}, "Did you mean tpe"),
        ({"trials": 0}, "0 trials"),
        ({"pruner": optuna.pruners.MedianPruner(), "traded": ["latency"]}, "given up"),
        ({"traded": ["latency"], "watched": ["latency"]}, "two costs have the name 'latency'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(space, options, message):
    options = {k: [Sum(space) for _ in v] if k in ("traded", "watched") else v for k, v in options.items()}
    with pytest.raises(UsageError, match=message):
        run_search(space, Known(space), **options)


def test_no_study_is_made_for_a_sampler_that_is_not_there(space, tmp_path):
    with pytest.raises(UnknownName):
        run_search(space, Known(space), sampler="none", storage=str(tmp_path / "a.db"))
    assert not (tmp_path / "a.db").exists()


class Curves(Known):
    """Trains for five epochs, told after each."""

    def evaluate(self, workload, *, seed=0, epochs=None, report=None):
        found = super().evaluate(workload)
        for epoch in range(1, 6):
            report(EpochReport(epoch, 5, found.value * epoch / 5, None, 0.0, 0.0))
        return found


def test_poor_trials_are_given_up(space):
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)
    heard = []

    class Hearing(Listener):
        def epoch(self, number, progress):
            heard.append((number, progress.epoch))

    result = run_search(space, Curves(space), sampler="hwnas", trials=16, pruner=pruner, listener=Hearing())
    pruned = [trial for trial in result.trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert result.evaluations == 16 == len(result.complete) + len(pruned)
    for trial in pruned:
        assert trial.accuracy is not None
        assert trial.evaluated
        assert max(epoch for number, epoch in heard if number == trial.number) < 5


def test_what_was_given_up_counts_with_the_accuracy_it_would_have_ended_with(space):
    """An accuracy on the way is none at the end: the sampler would take every pruned network for poor."""
    study = optuna.create_study(direction="maximize")
    sampler = HwnasSampler(space)
    rng = random.Random(0)
    for number in range(6):
        study.enqueue_trial(space.sample(rng))
        trial = study.ask(distributions(space))
        trial.report(0.40 + 0.01 * number, 1)
        if number < 5:
            trial.report(0.80 + 0.01 * number, 2)
            study.tell(trial, 0.80 + 0.01 * number)
        else:
            # As a search ends it: Optuna then calls the last accuracy the trial's value.
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert study.trials[5].value == pytest.approx(0.45)
    seen = sampler._seen(study, study.ask())
    assert sorted(seen.accuracies)[:5] == pytest.approx([0.80, 0.81, 0.82, 0.83, 0.84])
    assert max(seen.accuracies) == pytest.approx(0.85, abs=0.012)


def test_an_evaluation_that_fails_is_one_trial(space):
    class Failing(Known):
        def evaluate(self, workload, **_):
            if len(self.asked) == 2:
                self.asked.append("")
                raise CellError("it diverged")
            return super().evaluate(workload)

    result = run_search(space, Failing(space), sampler="random", trials=5)
    assert result.evaluations == 5
    assert [trial.note for trial in result.trials if trial.state is TrialState.FAILED] == ["it diverged"]


def test_evaluations_that_all_fail_end_the_search(space):
    class Broken(Known):
        def evaluate(self, workload, **_):
            raise CellError("it diverged")

    with pytest.raises(CellError, match="it diverged"):
        run_search(space, Broken(space), sampler="random", trials=50)


def test_an_evaluator_that_cannot_be_used_ends_the_search_and_loses_nothing(space, tmp_path):
    keep = str(tmp_path / "a.db")

    class Unusable(Known):
        def evaluate(self, workload, **_):
            if len(self.asked) == 3:
                raise UsageError("no data folder")
            return super().evaluate(workload)

    with pytest.raises(UsageError, match="no data folder"):
        run_search(space, Unusable(space), sampler="random", trials=6, storage=keep)
    evaluator = Known(space)
    result = run_search(space, evaluator, sampler="random", trials=6, storage=keep, resume=True)
    assert result.evaluations == 6
    # The network that was not evaluated is the first to be.
    left = [trial.text for trial in result.trials if trial.state is TrialState.FAILED]
    assert left == evaluator.asked[:1]


def test_what_was_measured_is_not_measured_again(space, tmp_path):
    keep, truth, seen = str(tmp_path / "a.db"), Sum(space), []

    def measure(architecture):
        seen.append(space.compact(architecture))
        (row,) = truth.codes.encode([architecture])
        return float(truth.values(row[None])[0])

    for trials in (4, 8):
        model = LearnedLatency(space, each(measure), budget=8, first=4)
        limit = Limit(model, 9e-3)
        result = run_search(space, Known(space), limits=[limit], trials=trials, storage=keep, resume=True)
    assert len(seen) == len(set(seen)) <= 8
    assert set(result.measured["latency"]) == set(seen)


def test_cells_are_searched_too():
    # Declared by name: this space is no file, so its workloads are declared and not rebuilt.
    result = run_search(CELLS, Known(CELLS), limits=[limit_of(CELLS, 0.3)], trials=12, seed=2)
    assert result.evaluations == 12
    assert result.record()["space"] == "cells"


def test_the_end_of_a_space_leaves_no_trial_under_way(tmp_path):
    """Its first choice has one option, which a trial has before the sampler is asked."""
    space, keep = tiny_space(tmp_path), str(tmp_path / "a.db")
    for _ in range(2):
        result = run_search(space, Known(space), trials=9, storage=keep, study="s", resume=True)
        assert result.evaluations == 4
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{keep}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4 + ["FAIL"] * 2


def test_a_network_that_was_given_up_is_not_tried_again(tmp_path):
    space = tiny_space(tmp_path)

    class Poor(Known):
        def evaluate(self, workload, **_):
            super().evaluate(workload)
            raise Pruned("poor")

    evaluator = Poor(space)
    result = run_search(space, evaluator, sampler="random", trials=5)
    assert len(evaluator.asked) == len(set(evaluator.asked)) == result.evaluations == 4
    assert "no further network" in result.ended
    assert {trial.note for trial in result.trials if trial.evaluated} == {"poor"}
    repeated = [trial for trial in result.trials if trial.repeats is not None]
    assert repeated
    for trial in repeated:
        assert trial.state is TrialState.PRUNED
        assert trial.text == result.trials[trial.repeats].text
