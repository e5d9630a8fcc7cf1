"""Finalists of a search: chosen, measured, and told to the models of latencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hwnas.core.workload import Workload
from hwnas.jobs.feasibility import Feasibility
from hwnas.jobs.finalists import (
    Finalist,
    ahead,
    measured_latencies,
    most_accurate,
    next_in_line,
    prove,
    spread_over,
)
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.listener import JobListener
from hwnas.jobs.proofs import Choice, read_choice, read_proofs, write_proofs
from hwnas.searching.cost_model import CostModel
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.limit import Limit
from hwnas.searching.optuna_study import add_measured
from hwnas.searching.trial import SearchResult, Trial

#: Where none of the finalists is within the limits, or a more accurate network may be, others are measured,
#: until there are so many times as many.
_ROUNDS = 3


@dataclass(frozen=True)
class Proving:
    """Finds out which of a search's networks are within the limits.

    Args:
        declared: The search.
        folder: Keeps what was measured.
        timer: Measures.
        models: Backend -> what tells its latencies.
        limits: Of the search.
        storage: Of its study, a path or URL.
        listener: Told what is measured.
        workload_of: The network of a trial.
    """

    declared: Declared
    folder: SearchFolder
    timer: HostTimer
    models: Mapping[str, CostModel]
    limits: Sequence[Limit]
    storage: str
    listener: JobListener
    workload_of: Callable[[Trial], Workload]

    def finalists(self, result: SearchResult) -> list[Finalist]:
        """Those of earlier runs and new ones, all of them measured.

        Args:
            result: Of the search.

        Raises:
            DatabaseError: A measurement could not be stored.
            UsageError: What an earlier run has measured cannot be read.
        """
        options = self.declared.options
        found = read_proofs(self.folder, self._host, result.complete, self.workload_of)
        if found:
            # An earlier run may have ended between measuring them and learning from them.
            self._learn(found)
        choice = Choice(len(result.complete), options.finalists)
        before = read_choice(self.folder, self._host)
        new: list[Trial] = []
        if before is not None and replace(before, measured=0, ended=False) == choice:
            choice = before
        else:
            new = self._first(result, found)
        while new := new or self._next(result, found, choice):
            self.listener.phase(f"measuring {len(new)} finalist{'s' if len(new) > 1 else ''}")
            trials = [(trial, self.workload_of(trial)) for trial in new]
            found += prove(self.timer, trials, options.backends, options.max_latency_s)
            choice = replace(choice, measured=choice.measured + len(new))
            write_proofs(self.folder, self._host, found, choice)
            self._learn(found)
            new = []
        if found and not choice.ended:
            write_proofs(self.folder, self._host, found, replace(choice, ended=True))
        return found

    @property
    def _host(self) -> str:
        return self.timer.environment.fingerprint

    def _first(self, result: SearchResult, known: Sequence[Finalist]) -> list[Trial]:
        """The best of the search that were not measured yet: a search that went on has other ones."""
        options = self.declared.options
        if options.limited:
            chosen = most_accurate(result, self.limits, known)[: options.finalists]
        else:
            chosen = spread_over(result.front, options.finalists)
        measured = {finalist.trial.text for finalist in known}
        return [trial for trial in chosen if trial.text not in measured]

    def _next(self, result: SearchResult, known: Sequence[Finalist], choice: Choice) -> list[Trial]:
        """Several as long as no finalist is surely within the limits, then one that could win nevertheless."""
        options = self.declared.options
        most = _ROUNDS * options.finalists - choice.measured
        if choice.ended or not options.limited or most < 1:
            return []
        if any(finalist.verdict is Feasibility.FEASIBLE for finalist in known):
            return ahead(result, self.limits, known)[:1]
        return next_in_line(result, self.limits, known)[: min(options.finalists, most)]

    def _learn(self, finalists: Sequence[Finalist]) -> None:
        """The models take over what was measured: a trial that only seemed to be within a limit is no more."""
        learning = {m.name: m for m in self.models.values() if isinstance(m, LearnedLatency)}
        measured = {n: found for n, found in measured_latencies(finalists).items() if n in learning}
        for name, found in measured.items():
            learning[name].remember(found)
        add_measured(self.storage, self.declared.study, measured, self._host)
