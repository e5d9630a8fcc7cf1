"""The networks of a front are measured: of many predictions, the lowest are too low as a rule."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hwnas.core.errors import CellError
from hwnas.searching.cost_model import CostModel
from hwnas.searching.trial import Trial, front_of

#: Networks of a front that wait before they are measured together, which takes less time than one by one.
_TOGETHER = 4


class FrontMeasuring:
    """Measures networks that no other one beats, as far as the budgets of their costs go.

    A network whose cost was predicted too low is on the front more often than one whose cost was predicted too
    high (the optimizer's curse: Smith and Winkler, Management Science 52, 2006), so the predictions of a front
    are no fair sample.

    Args:
        costs: That are kept small.
    """

    def __init__(self, costs: Sequence[CostModel]) -> None:
        self._costs = tuple(costs)
        #: Those that cannot be measured are asked for once.
        self._asked: set[tuple[str, str]] = set()

    def follow(self, trials: Collection[Trial], at_least: int = _TOGETHER) -> bool:
        """Measure what is on the front now, where so many networks wait for it.

        Args:
            trials: That were evaluated to their end.
            at_least: So many.

        Returns:
            Whether something was measured, or tried to be.
        """
        followed = [self._follow(cost, trials, at_least) for cost in self._costs]
        return any(followed)

    def finish(self, trials: Collection[Trial]) -> None:
        """Measure until all of the front is known, or nothing may be measured any more."""
        while self.follow(trials, at_least=1):
            pass

    def _follow(self, cost: CostModel, trials: Collection[Trial], at_least: int) -> bool:
        try:
            left = cost.measurements_left
        except CellError:
            left = 0
        if left <= 0:
            return False
        measured = {c.name: c.measured for c in self._costs}
        waiting = [
            t for t in front_of(trials, [c.name for c in self._costs], measured) if self._is_open(cost, t)
        ]
        if len(waiting) < min(at_least, left):
            return False
        chosen = waiting[:left]
        self._asked.update((cost.name, trial.text) for trial in chosen)
        try:
            cost.measure([trial.architecture for trial in chosen])
        except CellError:
            # Their predictions are all there is.
            return True
        return bool(chosen)

    def _is_open(self, cost: CostModel, trial: Trial) -> bool:
        return not cost.is_measured(trial.architecture) and (cost.name, trial.text) not in self._asked
