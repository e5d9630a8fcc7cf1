"""What a search has at hand of its trials."""

import optuna
import pytest
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from searching_lab import small_space

from hwnas.searching.codes import codes_of
from hwnas.searching.trial import TrialState
from hwnas.searching.trial_book import TrialBook


@pytest.fixture
def space(tmp_path):
    return small_space(tmp_path)


@pytest.fixture
def texts(space):
    codes = codes_of(space)
    return [space.compact(codes.decode(row)) for row in codes.everything[:4]]


def trial(text, state=OptunaState.COMPLETE, *, steps=None, constraints=None, **attributes):
    return create_trial(
        state=state,
        value=0.5 if state is OptunaState.COMPLETE else None,
        intermediate_values=steps,
        constraints=constraints,
        user_attrs={"architecture": text, **attributes},
    )


def study_of(*trials):
    study = optuna.create_study(direction="maximize")
    for one in trials:
        study.add_trial(one)
    return study


def test_only_evaluations_count_and_repeats_do_not(space, texts):
    book = TrialBook(space)
    study = study_of(
        trial(texts[0], seconds=3.0),
        trial(texts[1], OptunaState.PRUNED, steps={1: 0.2}, seconds=1.0),
        trial(texts[0], repeats=0),
        trial(texts[2], OptunaState.FAIL, seconds=2.0),
        trial(texts[3], OptunaState.PRUNED, constraints={"latency": 0.1}),
        create_trial(state=OptunaState.FAIL),  # nothing is known of it
    )
    book.follow(study.get_trials())
    assert book.evaluations == 2
    assert [found.number for found in book.complete] == [0]
    assert book.evaluated(texts[0]).number == 0
    assert book.evaluated(texts[1]).state is TrialState.PRUNED
    assert book.evaluated(texts[2]) is None
    assert book.evaluated(texts[3]) is None
    assert [book.last(text).number for text in texts] == [2, 1, 3, 4]
    assert len(book.tried) == 4
    assert book.spent_s == 6.0


def test_what_another_process_ends_is_taken_over_once(space, texts):
    book = TrialBook(space)
    study = study_of(trial(texts[0], OptunaState.RUNNING), trial(texts[1], OptunaState.RUNNING))
    book.follow(study.get_trials())
    assert book.evaluations == 0
    assert book.evaluated(texts[0]) is None
    assert [book.last(text).state for text in texts[:2]] == [TrialState.RUNNING] * 2
    study.tell(0, 0.7)
    # The other one is given back.
    study.enqueue_trial({}, user_attrs={"again": 1})
    study.tell(1, state=OptunaState.FAIL)
    for _ in range(2):
        book.follow(study.get_trials())
        assert book.evaluations == 1
        assert book.evaluated(texts[0]).accuracy == book.last(texts[0]).accuracy == 0.7
        assert book.last(texts[1]) is None


def test_a_network_that_is_queued_again_is_new_and_its_time_counts_once(space, texts):
    book = TrialBook(space)
    waiting = create_trial(state=OptunaState.WAITING, user_attrs={"again": 0})
    study = study_of(trial(texts[0], OptunaState.FAIL, seconds=4.0), waiting)
    book.follow(study.get_trials())
    assert book.last(texts[0]) is None
    assert book.seconds(texts[0]) == 4.0
    study.add_trial(trial(texts[0], seconds=7.0))
    told = book.enter(study.get_trials()[2])
    assert told == book.last(texts[0]) == book.evaluated(texts[0])
    assert book.spent_s == book.seconds(texts[0]) == 7.0
    assert book.evaluations == 1
