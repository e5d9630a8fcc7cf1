"""NNI's strategies that try one network after the other, in this process: no server, no socket."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwnas.core.errors import HwnasError, UsageError
from hwnas.core.workload import Scalar
from hwnas.nni_bridge.installed import (
    Chain,
    Filter,
    FunctionalEvaluator,
    SequentialExecutionEngine,
    SimplifiedModelSpace,
    nni,
)
from hwnas.nni_bridge.model_space import SpaceModel
from hwnas.nni_bridge.quiet import quiet_logs
from hwnas.nni_bridge.samples import architecture_of, found_space
from hwnas.nni_bridge.strategies import make_strategy, strategy_settings
from hwnas.nni_bridge.trials import Trial, TrialLog
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

#: After so many networks in a row that may not be tried, a search ends.
PATIENCE = 1000


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Args:
        trials: In their order.
        complete: Whether there were as many as asked for; otherwise no further network was found.
    """

    trials: tuple[Trial, ...]
    complete: bool

    @property
    def best(self) -> Trial | None:
        """The most accurate, the first of equals; None where all failed."""
        good = [trial for trial in self.trials if trial.accuracy is not None]
        return max(good, key=lambda trial: trial.accuracy or 0.0, default=None)


def search(
    space: Space | str,
    evaluate: Callable[[Architecture], float],
    *,
    strategy: str = "random",
    trials: int | None = 30,
    seed: int = 0,
    feasible: Callable[[Architecture], bool] | None = None,
    settings: Mapping[str, Any] | None = None,
    log: str | Path | None = None,
    told: Callable[[Trial], None] = lambda trial: None,
) -> Found:
    """Search a space with a strategy of NNI.

    A network is tried once, whatever samples stand for it, and only where it is `feasible`: NNI's ``Filter``
    asks before. The search is deterministic in `seed`, as far as `evaluate` is.

    Args:
        space: Or its name, or the path of its file.
        evaluate: The accuracy of an architecture, or any number of which more is better. Where it raises an
            error of hwnas, the trial has failed and the search goes on; others end it.
        strategy: ``random``, ``evolution`` (regularized evolution) or ``grid``.
        trials: Networks to evaluate; None for all that the strategy comes to, until `evaluate` ends the search.
        seed: Of the strategy.
        feasible: Whether an architecture is within the limit; None for no limit.
        settings: Of the strategy, by NNI's names, such as ``population_size``.
        log: File that keeps every trial, as text or as a path; a search that was ended goes on from it. None
            for no file.
        told: Called with every trial, those from the log included.

    Raises:
        UnknownName: No such space or strategy.
        UsageError: A value cannot be used, the log is of another search, or no network is within the limit.
    """
    space = found_space(space)
    if trials is not None and trials < 1:
        raise UsageError(f"the number of trials is {trials}", "Give 1 or more")
    chosen = strategy_settings(strategy, space, trials, settings or {})
    running = make_strategy(strategy, seed, chosen)
    about = {"space": space.digest, "strategy": strategy, "seed": seed, "settings": chosen}
    trial_log = TrialLog(None if log is None else Path(log), about)
    run = _Run(space, evaluate, feasible, trial_log, told)
    engine = SequentialExecutionEngine(max_model_count=trials)
    try:
        with quiet_logs():
            model_space = SimplifiedModelSpace.from_model(
                SpaceModel(space, build=False), FunctionalEvaluator(run.evaluate)
            )
            Chain(running, Filter(run.may_be_tried, patience=PATIENCE))(model_space, engine)
    finally:
        trial_log.close()
    if not run.trials:
        raise UsageError(
            f"none of {run.beyond} networks of the space {space.name} is within the limit", "Raise the limit"
        )
    return Found(tuple(run.trials), trials is not None and len(run.trials) >= trials)


class _Run:
    """What NNI asks while its strategy runs: whether a network may be tried, and how good it is."""

    def __init__(
        self,
        space: Space,
        evaluate: Callable[[Architecture], float],
        feasible: Callable[[Architecture], bool] | None,
        log: TrialLog,
        told: Callable[[Trial], None],
    ) -> None:
        self._space, self._evaluate, self._feasible = space, evaluate, feasible
        self._log, self._told = log, told
        self._tried: set[str] = set()
        self.beyond = self._repeated = 0
        self.trials: list[Trial] = []

    def may_be_tried(self, model: Any) -> bool:
        """Whether a network is within the limit and new."""
        architecture = architecture_of(self._space, model.sample)
        if self._space.compact(architecture) in self._tried:
            self._repeated += 1
            return False
        if self._feasible is not None and not self._feasible(architecture):
            self.beyond += 1
            return False
        return True

    def evaluate(self, model: SpaceModel) -> None:
        """Try a network, and report its accuracy to NNI; one that failed has none."""
        assert model.architecture is not None  # NNI has just frozen it
        trial = self._trial(model.architecture)
        self._tried.add(self._space.compact(trial.architecture))
        self.trials.append(trial)
        self.beyond = self._repeated = 0
        if trial.accuracy is not None:
            nni.report_final_result(trial.accuracy)
        self._told(trial)

    def _trial(self, architecture: dict[str, Scalar]) -> Trial:
        number = len(self.trials)
        if number < len(self._log.recorded):
            recorded = self._log.recorded[number]
            if recorded.architecture != architecture or recorded.number != number:
                raise UsageError(
                    f"{self._log.path} is the log of another search: trial {number} differs",
                    "Name another file, or search under the same limit as before",
                )
            return recorded
        began = time.perf_counter()
        accuracy, reason = self._accuracy(architecture)
        seconds = time.perf_counter() - began
        trial = Trial(number, architecture, accuracy, reason, self.beyond, self._repeated, seconds)
        self._log.add(trial)
        return trial

    def _accuracy(self, architecture: dict[str, Scalar]) -> tuple[float | None, str]:
        try:
            accuracy = float(self._evaluate(architecture))
        except HwnasError as error:
            return None, " ".join(str(error).split())
        if not math.isfinite(accuracy):
            return None, f"the accuracy is {accuracy}"
        return accuracy, ""
