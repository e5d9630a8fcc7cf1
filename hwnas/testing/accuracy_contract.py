"""What every accuracy evaluator must keep: subclass it and override the fixtures."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, AccuracyEvaluator, EpochReport, Pruned

#: A short training, where one is needed.
EPOCHS = 3


class AccuracyEvaluatorContract:
    """Tests that an evaluator keeps the protocol of `hwnas.training.accuracy`."""

    #: Whether there are epochs to tell of.
    reports = True

    @pytest.fixture
    def evaluator(self) -> AccuracyEvaluator:
        """The evaluator under test, which keeps nothing from other tests.

        Raises:
            TypeError: The subclass does not say which evaluator it tests.
        """
        raise TypeError(f"{type(self).__name__} must override the fixture 'evaluator'")

    @pytest.fixture
    def workload(self) -> Workload:
        """A network whose accuracy the evaluator can tell.

        Raises:
            TypeError: The subclass does not say which network.
        """
        raise TypeError(f"{type(self).__name__} must override the fixture 'workload'")

    def test_tells_a_share(self, evaluator: AccuracyEvaluator, workload: Workload) -> None:
        """The value lies within its interval, and both within 0 and 1."""
        assert isinstance(evaluator, AccuracyEvaluator)
        found = evaluator.evaluate(workload, seed=0, epochs=EPOCHS)
        assert isinstance(found, Accuracy)
        low, high = found.interval or (0.0, 1.0)
        assert 0 <= low <= found.value <= high <= 1
        assert found.n_images is None or found.n_images > 0
        assert 0 <= found.epochs <= EPOCHS
        assert found.seconds >= 0

    def test_repeats(self, evaluator: AccuracyEvaluator, workload: Workload) -> None:
        """The same arguments give the same value."""
        first, again = (evaluator.evaluate(workload, seed=5, epochs=EPOCHS).value for _ in range(2))
        assert first == again

    def test_says_the_same_to_every_seed_where_it_says_so(
        self, evaluator: AccuracyEvaluator, workload: Workload
    ) -> None:
        """One whose attribute `seeded` is False is asked once, instead of with several seeds."""
        if getattr(evaluator, "seeded", True):
            pytest.skip("values may depend on the seed")
        first, other = (evaluator.evaluate(workload, seed=seed, epochs=EPOCHS).value for seed in (0, 1))
        assert first == other

    def test_reports_epochs_in_their_order(self, evaluator: AccuracyEvaluator, workload: Workload) -> None:
        """Every epoch from 1 up is told, and no fewer than are counted in the end."""
        told: list[EpochReport] = []
        found = evaluator.evaluate(workload, seed=0, epochs=EPOCHS, report=told.append)
        assert [epoch.epoch for epoch in told] == list(range(1, len(told) + 1))
        assert len(told) == found.epochs
        assert bool(told) == self.reports
        for epoch in told:
            assert 0 <= epoch.accuracy <= 1
            assert epoch.epoch <= epoch.epochs
            assert min(epoch.elapsed_s, epoch.remaining_s) >= 0

    def test_what_a_report_raises_comes_out(self, evaluator: AccuracyEvaluator, workload: Workload) -> None:
        """Pruning ends the trial at once, whatever the exception is."""
        for raised in (Pruned("poor"), RuntimeError("of the search")):
            told: list[int] = []

            def report(epoch: EpochReport, raised: Exception = raised, told: list[int] = told) -> None:
                told.append(epoch.epoch)
                raise raised

            with pytest.raises(type(raised)) if self.reports else nullcontext() as caught:
                evaluator.evaluate(workload, seed=1, epochs=EPOCHS, report=report)
            assert told == ([1] if self.reports else [])
            assert not caught or caught.value is raised
