"""NNI's tuners behind ask and tell."""

from __future__ import annotations

import random

import pytest

from hwnas import nni as bridge
from hwnas.core.errors import UnknownName, UsageError
from hwnas.workloads.spaces.pattern_space import PatternSpace

pytestmark = pytest.mark.usefixtures("needs_nni")

TUNERS = ["tpe", "evolution", "random", "grid"]


def accuracy(architecture) -> float:
    return (
        (architecture["stage1.pattern"] == "standard")
        + architecture["stage1.width"]
        + 0.1 * len(str(architecture))
    )


def asked(tuner, count: int) -> list[dict]:
    found = []
    for _ in range(count):
        found.append(tuner.ask())
        tuner.tell(found[-1], accuracy(found[-1]))
    return found


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_same_seed_asks_the_same_and_never_twice(small: PatternSpace, tuner: str) -> None:
    first, again = (asked(bridge.AskTell(small, tuner=tuner, seed=4), 12) for _ in range(2))
    assert first == again
    assert len({small.compact(a) for a in first}) == 12
    assert all(small.canonical(a) == a for a in first)
    if tuner != "grid":
        assert asked(bridge.AskTell(small, tuner=tuner, seed=5), 12) != first


@pytest.mark.parametrize("tuner", TUNERS)
def test_nothing_beyond_the_limit_is_asked(small: PatternSpace, tuner: str) -> None:
    searching = bridge.AskTell(small, tuner=tuner, feasible=lambda a: a["stage2.width"] == 8)
    assert {a["stage2.width"] for a in asked(searching, 8)} == {8}


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_space_comes_to_its_end(small: PatternSpace, tuner: str) -> None:
    searching = bridge.AskTell(small, tuner=tuner, feasible=lambda a: a["stage1.depth"] == 1)
    found = asked(searching, 16)
    assert len({small.compact(a) for a in found}) == 16
    with pytest.raises(UsageError, match=r"no further network of the space small"):
        searching.ask()


def test_tpe_learns(small: PatternSpace) -> None:
    def wide(architecture) -> float:
        return architecture["stage1.width"] + architecture["stage2.width"] + architecture["stage1.depth"]

    searching = bridge.AskTell(small, tuner="tpe", seed=1, tpe_args={"n_startup_jobs": 6})
    values = []
    for _ in range(14):
        architecture = searching.ask()
        values.append(wide(architecture))
        searching.tell(architecture, values[-1])
    assert sum(values[6:]) / 8 > sum(values[:6]) / 6


def test_evolution_leaves_the_global_generator_alone(small: PatternSpace) -> None:
    random.seed(9)
    expected = random.Random(9).random()
    asked(bridge.AskTell(small, tuner="evolution", population_size=4), 10)
    assert random.random() == expected


def test_failed_trials_may_be_told(small: PatternSpace) -> None:
    searching = bridge.AskTell(small, tuner="evolution", population_size=4)
    for _ in range(8):
        searching.tell(searching.ask(), None)


def test_several_may_be_asked_for_before_any_is_told(small: PatternSpace) -> None:
    searching = bridge.AskTell(small, tuner="tpe")
    found = [searching.ask() for _ in range(5)]
    assert len({small.compact(a) for a in found}) == 5
    for architecture in reversed(found):
        searching.tell(architecture, 0.5)
    waiting = bridge.AskTell(small, tuner="evolution", population_size=3)
    for _ in range(3):
        waiting.ask()
    with pytest.raises(UsageError, match=r"Tell some before asking for more"):
        waiting.ask()


def test_what_cannot_be_told_is_refused(small: PatternSpace) -> None:
    searching = bridge.AskTell(small)
    architecture = searching.ask()
    with pytest.raises(UsageError, match=r"the accuracy is nan"):
        searching.tell(architecture, float("nan"))
    searching.tell(architecture, 0.5)
    with pytest.raises(UsageError, match=r"not asked for, or is told twice"):
        searching.tell(architecture, 0.5)


def test_unknown_tuners_and_settings_are_refused(small: PatternSpace) -> None:
    with pytest.raises(UnknownName, match=r"tuner of NNI 'tpes'.*tpe"):
        bridge.AskTell(small, tuner="tpes")
    with pytest.raises(UsageError, match=r"cannot be set up so.*population"):
        bridge.AskTell(small, tuner="tpe", population_size=3)
