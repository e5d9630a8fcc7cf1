"""One search as it goes on: ask, judge, evaluate, tell."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import TrialState as OptunaState

from hwnas.core.errors import CellError, HwnasError, UsageError
from hwnas.core.workload import Scalar
from hwnas.searching.codes import codes_of
from hwnas.searching.cost_model import CostModel
from hwnas.searching.evaluation_time import Stopwatch
from hwnas.searching.front_measuring import FrontMeasuring
from hwnas.searching.limit import Judgement, Limit, judge
from hwnas.searching.listener import Listener
from hwnas.searching.optuna_space import architecture_of, distributions
from hwnas.searching.optuna_study import give_back, measured_key, own, quiet, take_up
from hwnas.searching.optuna_trials import write_end, write_judgement
from hwnas.searching.suggester import NothingLeft, Seen, Suggester
from hwnas.searching.surely_within import some_is_surely_within
from hwnas.searching.trial import Trial, TrialState
from hwnas.searching.trial_book import TrialBook
from hwnas.training.accuracy import AccuracyEvaluator, EpochReport, Pruned
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.workload import space_workload

#: Suggestions in a row that cost no evaluation; then a network within the limits is drawn at random.
_MOST_IDLE = 30
#: Evaluations that fail in a row.
_MOST_FAILURES = 5
#: Networks in a row of which nobody can tell what they cost.
_MOST_UNJUDGED = 100
#: Why a search may end, other than by the number of its evaluations.
TIME_IS_OVER = "the time is over"


@dataclass(frozen=True)
class Task:
    """What a search is about.

    Args:
        space: To search.
        evaluator: Tells accuracies.
        limits: That must hold.
        traded: Costs to keep small besides.
        watched: Costs to be estimated and kept with each trial.
        seed: Of trainings, and of what is drawn at random here.
        epochs: Of a training; None for the evaluator's own.
        host: What measured costs are true for: those of another one are not taken over.
    """

    space: Space
    evaluator: AccuracyEvaluator
    limits: tuple[Limit, ...]
    traded: tuple[CostModel, ...]
    watched: tuple[CostModel, ...]
    seed: int
    epochs: int | None = None
    host: str = ""

    @property
    def costs(self) -> dict[str, CostModel]:
        """All of them, by name."""
        return {c.name: c for c in (*(limit.cost for limit in self.limits), *self.traded, *self.watched)}


class Loop:
    """Works on a study until it has enough evaluations.

    Args:
        task: What to search.
        study: With its sampler and pruner.
        listener: Told how it goes.
    """

    def __init__(self, task: Task, study: Study, listener: Listener) -> None:
        self._task, self._study, self._listener = task, study, listener
        self._distributions = distributions(task.space)
        self._codes = codes_of(task.space)
        # It draws at random and no more: it never has as many accuracies as it wants to begin with.
        self._drawing = Suggester(task.space, limits=task.limits, seed=task.seed, startup=2**62, entrants=1)
        self._book = TrialBook(task.space)
        self._front = FrontMeasuring(task.traded)
        self._drawn = 0
        self._unjudged = 0

    def begin(self) -> None:
        """Take up what an earlier run has left.

        Raises:
            NothingLeft: No network is within the limits.
        """
        for name, measured in self._study.user_attrs.get(measured_key(self._task.host), {}).items():
            if name in self._task.costs:
                self._task.costs[name].remember(measured)
        left_behind = take_up(self._study)
        trials = self._study.get_trials(deepcopy=False)
        self._book.follow(trials)
        if trials:
            self._listener.resumed(self._book.evaluations, len(left_behind))
            self._listener.spent(self._book.spent_s)
        elif self._task.limits and not self._can_be_held():
            # A limit that nothing holds is one line, and no study full of networks beyond it.
            self._drawn_row()

    def go_on(self, evaluations: int | None, until: float = math.inf) -> str:
        """Until so many networks were evaluated, none is left, or the time is over.

        Args:
            evaluations: In all, those of other processes on the study included; None for any number.
            until: Time of :func:`time.monotonic` after which nothing new is begun.

        Returns:
            Why there are no more evaluations; empty where there are so many.

        Raises:
            NothingLeft: No network is within the limits.
            HwnasError: Several evaluations failed, one after the other, or the evaluator cannot be used.
        """
        idle = failures = 0
        self._unjudged = 0
        enough = math.inf if evaluations is None else evaluations
        while self._followed() < enough and time.monotonic() < until:
            try:
                if idle >= _MOST_IDLE:
                    self._study.enqueue_trial(self._codes.decode(self._drawn_row()))
                    idle = 0
                with quiet():
                    trial = self._study.ask(self._distributions)
            except NothingLeft as nothing:
                self._forget(nothing)
                if not self._book.evaluations:
                    raise
                return nothing.message
            finally:
                # A sampler may measure, whether it then finds something or not.
                self._keep_measured()
            before = self._book.evaluations
            error = self._tried_out(trial)
            idle = 0 if self._book.evaluations > before else idle + 1
            failures = failures + 1 if error else 0 if self._book.evaluations > before else failures
            if error and failures >= _MOST_FAILURES:
                raise error
        return "" if self._book.evaluations >= enough else TIME_IS_OVER

    def feasible(self, architecture: Architecture) -> bool:
        """Whether a network is within all limits; one that cannot be judged is not.

        Args:
            architecture: That somebody else than the study's sampler suggests.

        Raises:
            CellError: Many in a row could not be judged.
        """
        known = self._book.last(self._text(architecture))
        if known is not None:
            return known.state is not TrialState.INFEASIBLE
        try:
            found = judge(architecture, (), self._task.limits).feasible
        except CellError:
            self._unjudged += 1
            if self._unjudged >= _MOST_UNJUDGED:
                raise
            return False
        finally:
            self._keep_measured()
        self._unjudged = 0
        return found

    def try_out(self, architecture: Architecture) -> Trial:
        """Evaluate a network that somebody else than the study's sampler suggests, or tell what became of it.

        Args:
            architecture: Of the network; one that was tried before is not tried again.

        Raises:
            UsageError: The evaluator cannot be used.
        """
        text = self._text(architecture)
        self._followed()
        found = self._book.last(text)
        if found is None:
            self._study.enqueue_trial(dict(architecture))
        # Those that an earlier run has left behind wait before it, and another process may take it.
        while found is None:
            with quiet():
                trial = self._study.ask(self._distributions)
            self._tried_out(trial)
            self._followed()
            found = self._book.last(text)
        return found

    def finish(self) -> None:
        """Measure what is left of the front, where costs are kept small."""
        self._front.finish(self._book.complete)
        self._keep_measured()

    def _text(self, architecture: Architecture) -> str:
        return self._task.space.compact(self._task.space.canonical(architecture))

    @property
    def evaluations(self) -> int:
        """Networks evaluated so far, by earlier runs and other processes as well."""
        return self._book.evaluations

    def _followed(self) -> int:
        """Evaluations so far, once what other processes on the study have done meanwhile is entered."""
        self._book.follow(self._study.get_trials(deepcopy=False))
        return self._book.evaluations

    def knows(self, architecture: Architecture) -> bool:
        """Whether a network was tried already."""
        return self._book.last(self._text(architecture)) is not None

    def _forget(self, nothing: NothingLeft) -> None:
        """End the trial that a sampler had nothing for; not one that another process was just asked for."""
        if nothing.trial is not None:
            self._study.tell(nothing.trial, state=OptunaState.FAIL)

    def _tried_out(self, trial: optuna.Trial) -> HwnasError | None:
        """One trial from its suggestion to its end; gives the error with which the evaluation failed."""
        own(trial)
        space = self._task.space
        architecture = architecture_of(space, trial.params)
        text = space.compact(architecture)
        try:
            judgement = judge(architecture, self._task.costs.values(), self._task.limits)
        except CellError as error:
            # Nobody can tell what it costs, so nobody trains it; no fault of the evaluator.
            write_judgement(trial, text, Judgement({}, {}))
            self._end(trial, OptunaState.FAIL, note=str(error))
            self._unjudged += 1
            if self._unjudged >= _MOST_UNJUDGED:
                raise
            return None
        self._unjudged = 0
        self._keep_measured()
        write_judgement(trial, text, judgement)
        if not judgement.feasible:
            self._end(trial, OptunaState.PRUNED)
            return None
        twin = self._book.evaluated(text)
        if twin is not None:
            state = OptunaState.COMPLETE if twin.state is TrialState.COMPLETE else OptunaState.PRUNED
            accuracy = twin.accuracy if state is OptunaState.COMPLETE else None
            self._end(trial, state, accuracy, judgement, repeats=twin.number)
            return None
        self._listener.started(trial.number, text, judgement)
        return self._evaluated(trial, architecture, judgement)

    def _evaluated(
        self, trial: optuna.Trial, architecture: dict[str, Scalar], judgement: Judgement
    ) -> HwnasError | None:
        clock = Stopwatch(self._book.seconds(self._text(architecture)))
        single = len(self._study.directions) == 1

        def report(progress: EpochReport) -> None:
            self._listener.epoch(trial.number, progress)
            clock.hear(progress.elapsed_s)
            if not progress.replayed:
                # Of a process that is killed, this is what is known.
                write_end(trial, seconds=clock.seconds)
            if single:
                trial.report(progress.accuracy, progress.epoch)
                # What an earlier run has paid for is judged at its end, not on the way there.
                if not progress.replayed and trial.should_prune():
                    raise Pruned

        try:
            workload = space_workload(self._task.space, architecture)
            evaluate, task = self._task.evaluator.evaluate, self._task
            found = evaluate(workload, seed=task.seed, epochs=task.epochs, report=report)
            clock.hear(found.seconds)
        except Pruned as pruned:
            self._end(trial, OptunaState.PRUNED, seconds=clock.seconds, note=pruned.reason)
            return None
        except UsageError:
            # What the user gave cannot be used; no other network changes that.
            write_end(trial, seconds=clock.seconds)
            give_back(self._study, trial)
            raise
        except HwnasError as error:
            self._end(trial, OptunaState.FAIL, note=str(error), seconds=clock.seconds)
            return error
        except BaseException:
            write_end(trial, seconds=clock.seconds)
            give_back(self._study, trial)
            raise
        self._end(trial, OptunaState.COMPLETE, found.value, judgement, seconds=clock.seconds)
        if self._front.follow(self._book.complete):
            self._keep_measured()
        return None

    def _end(
        self,
        trial: optuna.Trial,
        state: OptunaState,
        accuracy: float | None = None,
        judgement: Judgement | None = None,
        *,
        seconds: float | None = None,
        note: str = "",
        repeats: int | None = None,
    ) -> None:
        write_end(trial, seconds=seconds, note=note, repeats=repeats)
        values = None
        if accuracy is not None and judgement is not None:
            medians = (judgement.estimates[cost.name].median[0] for cost in self._task.traded)
            values = [accuracy, *map(float, medians)]
        told = self._book.enter(self._study.tell(trial, values, state=state))
        if told is not None:
            self._listener.ended(told, self._book.evaluations)

    def _can_be_held(self) -> bool:
        """Whether estimates tell of a network within the limits; else one is looked for, and measured for it.

        That one is not tried, so that samplers suggest what they would without it.
        """
        try:
            return some_is_surely_within(self._codes, self._task.limits, self._task.seed)
        finally:
            # What is learned measures its first networks when it is first asked.
            self._keep_measured()

    def _drawn_row(self) -> np.ndarray:
        """A network within the limits that was not tried."""
        self._drawn += 1
        nothing = np.zeros((0, len(self._codes.options)), dtype=np.int64)
        asked = len(self._book.tried) + self._drawn
        try:
            return self._drawing.propose(Seen(nothing, np.zeros(0), self._book.tried, asked))
        finally:
            self._keep_measured()

    def _keep_measured(self) -> None:
        """In the study, so that nothing is measured twice after a crash."""
        key = measured_key(self._task.host)
        known = self._study.user_attrs.get(key, {})
        own = {name: dict(cost.measured) for name, cost in self._task.costs.items() if cost.measured}
        # Another process on the same study may have measured others.
        found = {name: {**known.get(name, {}), **own.get(name, {})} for name in {**known, **own}}
        if found != known:
            self._study.set_user_attr(key, found)
