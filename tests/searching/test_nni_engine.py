"""Searches whose networks NNI suggests: in the same studies, under the same limits."""

from types import SimpleNamespace

import pytest
from searching_lab import Known, Sum, small_space, tiny_space

from hwnas.core.errors import CellError, DatabaseError, UnknownName, UsageError
from hwnas.searching.limit import Limit
from hwnas.searching.nni_engine import NNI_SAMPLERS
from hwnas.searching.run import run_search
from hwnas.searching.suggester import NothingLeft
from hwnas.searching.trial import TrialState
from hwnas.training.accuracy import Pruned

pytestmark = pytest.mark.usefixtures("needs_nni")


@pytest.fixture
def space(tmp_path):
    return small_space(tmp_path)


@pytest.mark.parametrize("sampler", NNI_SAMPLERS)
def test_every_sampler_keeps_to_the_limit_and_goes_on(space, tmp_path, sampler):
    limit, keep = Limit(Sum(space), 8e-3), str(tmp_path / "a.db")
    first = Known(space)
    run_search(
        space, first, limits=[limit], engine="nni", sampler=sampler, trials=6, seed=1, storage=keep, study="s"
    )
    assert len(first.asked) == len(set(first.asked)) == 6
    second = Known(space)
    result = run_search(
        space,
        second,
        limits=[limit],
        engine="nni",
        sampler=sampler,
        trials=9,
        seed=1,
        storage=keep,
        study="s",
        resume=True,
    )
    assert result.evaluations == 9 == len(result.complete)
    assert not set(first.asked) & set(second.asked)
    for trial in result.complete:
        assert trial.costs["latency"].median <= limit.at_most
    assert (result.engine, result.sampler) == ("nni", sampler)


@pytest.mark.parametrize("sampler", ["evolution", "tpe"])
def test_a_search_that_was_broken_off_goes_on(space, tmp_path, sampler):
    class BrokenOff(Known):
        def evaluate(self, workload, **_):
            found = super().evaluate(workload)
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return found

    keep = {"engine": "nni", "sampler": sampler, "storage": str(tmp_path / "a.db"), "study": "s", "seed": 4}
    first = BrokenOff(space)
    with pytest.raises(KeyboardInterrupt):
        run_search(space, first, trials=6, **keep)
    second = Known(space)
    result = run_search(space, second, trials=6, resume=True, **keep)
    assert result.evaluations == 6
    # The one that was under way comes first, and nothing that was finished comes again.
    assert second.asked[0] == first.asked[2]
    assert not set(second.asked) & set(first.asked[:2])


def test_seeds_are_kept_to(space):
    found = [
        [t.text for t in run_search(space, Known(space), engine="nni", trials=5, seed=seed).trials]
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_failures_end_it_after_some(space):
    class Failing(Known):
        def evaluate(self, workload, **_):
            raise CellError("it diverged")

    for sampler in ("random", "tpe"):
        with pytest.raises(CellError, match="it diverged"):
            run_search(space, Failing(space), engine="nni", sampler=sampler, trials=20)


def test_one_failure_is_one_trial(space):
    class Failing(Known):
        def evaluate(self, workload, **_):
            found = super().evaluate(workload)
            if len(self.asked) == 2:
                raise CellError("it diverged")
            return found

    # Strategies count what failed, and say so; behind ask and tell another network takes its place.
    for sampler, evaluations, ended in (("random", 4, "NNI counts"), ("tpe", 5, "")):
        result = run_search(space, Failing(space), engine="nni", sampler=sampler, trials=5)
        assert [t.note for t in result.trials if t.state is TrialState.FAILED] == ["it diverged"]
        assert result.evaluations == evaluations
        assert result.ended.startswith(ended)
        assert bool(result.ended) == bool(ended)


def test_an_evaluator_that_cannot_be_used_ends_it(space):
    class Unusable(Known):
        def evaluate(self, workload, **_):
            raise UsageError("no data folder")

    for sampler in ("random", "tpe"):
        with pytest.raises(UsageError, match="no data folder"):
            run_search(space, Unusable(space), engine="nni", sampler=sampler, trials=5)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_is_no_networks_failure_ends_it(space, sampler):
    class Gone(Sum):
        def estimate(self, architecture):
            raise DatabaseError("the disk is full")

    with pytest.raises(DatabaseError, match="the disk is full"):
        run_search(space, Known(space), watched=[Gone(space)], engine="nni", sampler=sampler, trials=5)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_networks_that_are_given_up_at_once_are_no_failures(space, sampler):
    class Poor(Known):
        def evaluate(self, workload, **_):
            super().evaluate(workload)
            raise Pruned("poor")

    result = run_search(space, Poor(space), engine="nni", sampler=sampler, trials=7)
    assert result.evaluations == 7
    assert {trial.state for trial in result.trials} == {TrialState.PRUNED}
    assert result.ended == ""


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_limit_that_nothing_holds_and_time_that_is_over(space, sampler):
    with pytest.raises(NothingLeft):
        run_search(space, Known(space), limits=[Limit(Sum(space), 1e-9)], engine="nni", sampler=sampler)
    result = run_search(space, Known(space), engine="nni", sampler=sampler, budget_s=0)
    assert result.trials == ()
    assert result.ended == "the time is over"


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_once_enough_were_evaluated_no_other_network_is_judged(space, tmp_path, sampler):
    """Judging may measure, and no evaluation would come of it."""

    class Asked(Sum):
        def __init__(self, space):
            super().__init__(space)
            self.asked = []

        def estimate(self, architecture):
            self.asked.append(architecture)
            return super().estimate(architecture)

    keep = {"engine": "nni", "sampler": sampler, "storage": str(tmp_path / "a.db"), "study": "s", "seed": 1}
    first, again = Asked(space), Asked(space)
    run_search(space, Known(space), limits=[Limit(first, 8e-3)], trials=4, **keep)
    # What was evaluated was judged twice; what was ruled out is not in the study.
    assert len(first.asked) > 12
    result = run_search(space, Known(space), limits=[Limit(again, 8e-3)], trials=4, resume=True, **keep)
    assert (result.evaluations, result.ended) == (4, "")
    assert again.asked == []


@pytest.mark.parametrize("sampler", NNI_SAMPLERS)
def test_time_alone_ends_it_after_any_number(space, tmp_path, monkeypatch, sampler):
    """Two networks, where neither a number nor a time is given; each takes ten seconds."""
    clock = SimpleNamespace(now=0.0)
    for module in ("run", "loop", "nni_engine"):
        monkeypatch.setattr(f"hwnas.searching.{module}.time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr("hwnas.searching.run._TRIALS", 2)

    class Slow(Known):
        def evaluate(self, workload, **_):
            clock.now += 10.0
            return super().evaluate(workload)

    keep = {"engine": "nni", "sampler": sampler, "storage": str(tmp_path / "a.db"), "study": "s", "seed": 1}
    result = run_search(space, Slow(space), budget_s=35.0, **keep)
    assert (result.evaluations, result.ended) == (4, "the time is over")
    again = run_search(space, Slow(space), trials=5, resume=True, **keep)
    assert (again.evaluations, again.ended) == (5, "")


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("grid", "NNI's strategy grid suggests no further network"),
        ("evolution-tuner", "20 proposals in a row are known or beyond the limit"),
    ],
)
def test_why_it_ended_is_told(tmp_path, monkeypatch, sampler, said):
    monkeypatch.setattr("hwnas.nni_bridge.tuners.PATIENCE", 20)
    space = tiny_space(tmp_path)
    result = run_search(space, Known(space), engine="nni", sampler=sampler, trials=9)
    assert result.evaluations <= 4
    assert said in result.ended


def test_names_are_checked(space):
    with pytest.raises(UnknownName, match="engine"):
        run_search(space, Known(space), engine="nnj")
    with pytest.raises(UnknownName, match="sampler of the engine nni"):
        run_search(space, Known(space), engine="nni", sampler="nsga2")
