"""A user's own evaluator is asked once for each network and seed."""

from pathlib import Path

import numpy as np
import pytest

from hwnas.core.errors import EvaluationFailed, UsageError
from hwnas.core.workload import Workload
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.kept_accuracies import KeptAccuracies
from hwnas.testing.accuracy_contract import AccuracyEvaluatorContract
from hwnas.training.accuracy import Accuracy, AccuracyEvaluator
from hwnas.workloads.patterns import pattern_workload

NETWORK = pattern_workload("standard", depth=1, width=8, resolution=8)


class Slow:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    def evaluate(self, workload, *, seed=0, epochs=None, report=None):
        self.asked.append((seed, epochs))
        if seed == 7:
            raise EvaluationFailed("no luck")
        return Accuracy(np.float32(0.5 + seed / 128), np.int64(100), (0.4, 0.7), 0, 1.5)


class TestKept(AccuracyEvaluatorContract):
    reports = False

    @pytest.fixture
    def evaluator(self, tmp_path: Path) -> AccuracyEvaluator:
        return KeptAccuracies(Slow(), SearchFolder(tmp_path))

    @pytest.fixture
    def workload(self) -> Workload:
        return NETWORK


def test_another_run_does_not_ask_again(tmp_path: Path) -> None:
    asked = Slow()
    first = KeptAccuracies(asked, SearchFolder(tmp_path))
    found = [first.evaluate(NETWORK, seed=seed, epochs=epochs) for seed in (0, 1) for epochs in (None, 2)]
    with pytest.raises(EvaluationFailed):
        first.evaluate(NETWORK, seed=7)
    again = KeptAccuracies(asked, SearchFolder(tmp_path))
    assert [again.evaluate(NETWORK, seed=s, epochs=e) for s in (0, 1) for e in (None, 2)] == found
    assert len(asked.asked) == 5
    # A failure may have been chance.
    with pytest.raises(EvaluationFailed):
        again.evaluate(NETWORK, seed=7)
    assert len(asked.asked) == 6


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    KeptAccuracies(Slow(), SearchFolder(tmp_path)).evaluate(NETWORK)
    file = tmp_path / "accuracies.json"
    file.write_text(file.read_text().replace("n_images", "images"))
    with pytest.raises(UsageError, match=r"accuracies.json is damaged"):
        KeptAccuracies(Slow(), SearchFolder(tmp_path)).evaluate(NETWORK)
