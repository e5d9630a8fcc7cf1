"""NNI's strategies in this process: repeatable, within the limit, with a log from which they go on."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest

from hwnas import nni as bridge
from hwnas.core.errors import CellError, UnknownName, UsageError
from hwnas.predicting.latency_table import LatencyTable
from hwnas.workloads.spaces.pattern_space import PatternSpace
from hwnas.workloads.spaces.space_file import load_space

pytestmark = pytest.mark.usefixtures("needs_nni")

STRATEGIES = ["random", "evolution", "grid"]


def made_up(space: PatternSpace):
    """An accuracy for every architecture, without training."""

    def accuracy(architecture) -> float:
        return random.Random(space.compact(architecture)).random()

    return accuracy


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_trials(small: PatternSpace, strategy: str) -> None:
    first, again, other = (
        [
            t.architecture
            for t in bridge.search(small, made_up(small), strategy=strategy, trials=8, seed=s).trials
        ]
        for s in (1, 1, 2)
    )
    assert first == again != other
    assert len({small.compact(architecture) for architecture in first}) == 8


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_networks_within_the_limit_are_evaluated(
    small: PatternSpace, small_table: LatencyTable, strategy: str
) -> None:
    limit_s = sorted(small_table.latency(a) for a in map(small.sample, map(random.Random, range(40))))[16]
    evaluated = []

    def accuracy(architecture) -> float:
        evaluated.append(small_table.latency(architecture))
        return made_up(small)(architecture)

    found = bridge.search(
        small, accuracy, strategy=strategy, trials=6, feasible=lambda a: small_table.latency(a) <= limit_s
    )
    assert len(evaluated) == len(found.trials) == 6
    assert found.complete
    assert max(evaluated) <= limit_s
    assert sum(trial.beyond for trial in found.trials) > 0


@pytest.mark.parametrize("trials", [100, None])
def test_a_small_space_is_tried_completely_and_each_network_once(
    small: PatternSpace, trials: int | None
) -> None:
    found = bridge.search(small, made_up(small), strategy="grid", trials=trials)
    texts = [small.compact(trial.architecture) for trial in found.trials]
    assert len(texts) == len(set(texts)) == small.count()
    assert not found.complete
    assert found.best is not None
    assert found.best.accuracy == max(map(made_up(small), (t.architecture for t in found.trials)))
    assert sum(trial.repeated for trial in found.trials) > 0


def test_evolution_goes_on_from_the_better_ones() -> None:
    space = load_space("patterns")

    def likes_depthwise(architecture) -> float:
        return (
            sum(option == "depthwise_separable" for option in architecture.values())
            + architecture["stage1.depth"]
        )

    found = bridge.search(space, likes_depthwise, strategy="evolution", trials=80)
    drawn, evolved = ([t.accuracy for t in part] for part in (found.trials[:20], found.trials[-20:]))
    assert sum(evolved) > 1.2 * sum(drawn)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_goes_on_from_its_log(small: PatternSpace, tmp_path: Path, strategy: str) -> None:
    whole = bridge.search(
        small, made_up(small), strategy=strategy, trials=9, seed=3, settings=SETTINGS[strategy]
    )
    log, asked = tmp_path / "log.jsonl", []

    def until_killed(architecture) -> float:
        asked.append(architecture)
        if len(asked) == 5:
            raise KeyboardInterrupt
        return made_up(small)(architecture)

    def going_on(trials: int):
        return bridge.search(
            small, until_killed, strategy=strategy, trials=trials, seed=3, settings=SETTINGS[strategy], log=log
        )

    with pytest.raises(KeyboardInterrupt):
        going_on(9)
    found = going_on(9)
    # The fifth was asked for twice, the four before it once.
    assert len(asked) == 10
    assert [(t.architecture, t.accuracy) for t in found.trials] == [
        (t.architecture, t.accuracy) for t in whole.trials
    ]
    assert len(going_on(9).trials) == 9
    assert len(asked) == 10


SETTINGS = {"random": {}, "grid": {"shuffle": False}, "evolution": {"population_size": 4, "sample_size": 2}}


def test_a_log_may_be_named_by_text(small: PatternSpace, tmp_path: Path) -> None:
    log = tmp_path / "new" / "log.jsonl"
    found = bridge.search(small, made_up(small), trials=2, log=str(log))
    assert len(log.read_text().splitlines()) == 1 + len(found.trials) == 3


def test_a_log_of_another_limit_is_refused(small: PatternSpace, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    bridge.search(small, made_up(small), trials=4, log=log)
    with pytest.raises(UsageError, match=r"the log of another search: trial [0-3] differs"):
        bridge.search(small, made_up(small), trials=4, log=log, feasible=lambda a: a["stage1.width"] == 8)


def test_failed_trials_are_told_and_the_search_goes_on(small: PatternSpace) -> None:
    def accuracy(architecture) -> float:
        if architecture["stage1.width"] == 8:
            raise CellError("no room", "Buy some")
        return float("nan") if architecture["stage2.width"] == 8 else 1.0

    found = bridge.search(small, accuracy, strategy="evolution", trials=20)
    assert len(found.trials) == 20
    for trial in found.trials:
        narrow, narrow_later = (trial.architecture[f"stage{n}.width"] == 8 for n in (1, 2))
        expected = "no room. Buy some" if narrow else "the accuracy is nan" if narrow_later else ""
        assert trial.reason == expected
        assert trial.accuracy == (None if expected else 1.0)


def test_errors_of_the_evaluator_itself_come_out(small: PatternSpace) -> None:
    with pytest.raises(ZeroDivisionError):
        bridge.search(small, lambda architecture: 1 / 0, trials=3)


def test_nni_keeps_quiet_and_speaks_again_afterwards(
    small: PatternSpace, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger("nni").level
    with pytest.raises(UsageError, match=r"none of 32 networks of the space small is within the limit"):
        bridge.search(small, made_up(small), strategy="evolution", trials=5, feasible=lambda a: False)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("nni").level == before


def test_what_cannot_be_asked_for_is_refused(small: PatternSpace) -> None:
    with pytest.raises(UnknownName, match=r"strategy of NNI 'evolved'.*evolution"):
        bridge.search(small, made_up(small), strategy="evolved")
    with pytest.raises(UsageError, match=r"the number of trials is 0"):
        bridge.search(small, made_up(small), trials=0)
    with pytest.raises(UnknownName, match=r"setting of NNI's strategy evolution 'population'.*population_size"):
        bridge.search(small, made_up(small), strategy="evolution", settings={"population": 3})
    with pytest.raises(UsageError, match=r"cannot be set up so.*sample_size"):
        bridge.search(
            small, made_up(small), strategy="evolution", settings={"population_size": 3, "sample_size": 9}
        )
    with pytest.raises(UnknownName, match=r"'pattern'"):
        bridge.search("pattern", made_up(small))
