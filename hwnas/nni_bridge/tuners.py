"""NNI's tuners behind an ask-and-tell of our own: in this process, repeatable, and within a limit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Scalar
from hwnas.nni_bridge.installed import EvolutionTuner, GridSearchTuner, RandomTuner, TpeTuner, nni
from hwnas.nni_bridge.quiet import quiet_logs
from hwnas.nni_bridge.samples import architecture_of, found_space, search_space
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

#: After so many proposals in a row that cannot be tried, there is nothing left.
PATIENCE = 1000


class SeededEvolutionTuner(EvolutionTuner):
    """NNI's evolution tuner with a seed: as it comes, it draws from unseeded and from global generators.

    Args:
        population_size: Individuals.
        seed: Of all that is random in it.
    """

    def __init__(self, population_size: int = 32, seed: int = 0) -> None:
        super().__init__(optimize_mode="maximize", population_size=population_size)
        self._seed = seed
        self._state = random.Random(seed).getstate()

    def update_search_space(self, space: dict[str, Any]) -> None:
        """Begin with a random population."""
        super().update_search_space(space)
        self.random_state = np.random.RandomState(self._seed)
        self.population: list[Any] = []
        for _ in range(self.population_size):
            self._random_generate_individual()

    def _generate_individual(self, parameter_id: int) -> Any:
        outside = random.getstate()
        random.setstate(self._state)
        try:
            return super()._generate_individual(parameter_id)
        finally:
            self._state = random.getstate()
            random.setstate(outside)


_TUNERS: dict[str, Callable[..., Any]] = {
    "tpe": lambda seed, **settings: TpeTuner(optimize_mode="maximize", seed=seed, **settings),
    "evolution": lambda seed, **settings: SeededEvolutionTuner(seed=seed, **settings),
    "random": lambda seed, **settings: RandomTuner(seed=seed, **settings),
    "grid": lambda seed, **settings: GridSearchTuner(**settings),
}


class NothingLeft(UsageError):
    """The tuner proposes no further network that may be tried."""


class AskTell:
    """Ask for a network, tell its accuracy: a tuner of NNI on a space.

    Proposals that are known or beyond the limit never come out of :meth:`ask`: the tuner is told what is known,
    or that they are worse than all others, and asked again. Evolution takes a random network in their place, as
    it does for trials that have failed.

    Args:
        space: Or its name, or the path of its file.
        tuner: ``tpe``, ``evolution``, ``random`` or ``grid``.
        seed: Of all that is random in it.
        feasible: Whether an architecture is within the limit; None for no limit.
        **settings: Of the tuner, by NNI's names, such as ``tpe_args={"n_startup_jobs": 10}`` or
            ``population_size=16``.

    Raises:
        UnknownName: No such space or tuner.
        UsageError: The space's file cannot be used, or NNI refuses a setting.
    """

    def __init__(
        self,
        space: Space | str,
        *,
        tuner: str = "tpe",
        seed: int = 0,
        feasible: Callable[[Architecture], bool] | None = None,
        **settings: Any,
    ) -> None:
        self._space = found_space(space)
        self._feasible = feasible
        #: Evolution compares pairs, and would end among copies of its best: it gets random networks instead.
        self._replaces = tuner == "evolution"
        if tuner not in _TUNERS:
            raise UnknownName("tuner of NNI", tuner, _TUNERS)
        try:
            with quiet_logs():
                self._tuner = _TUNERS[tuner](seed, **settings)
                self._tuner.update_search_space(search_space(self._space))
        except (TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"NNI's tuner {tuner} cannot be set up so: {error}", "See its class") from error
        self._asked = 0
        #: Compact text -> the proposals for it that wait for an answer: their numbers and parameters.
        self._open: dict[str, list[tuple[int, Any]]] = {}
        #: Compact text -> accuracy, or None where the limit or a failure has ruled the network out.
        self._known: dict[str, float | None] = {}

    def ask(self) -> dict[str, Scalar]:
        """The network to try next, in its canonical form.

        Raises:
            NothingLeft: There is none that is new and within the limit.
        """
        for _ in range(PATIENCE):
            number, parameters = self._propose()
            architecture = architecture_of(self._space, parameters)
            text = self._space.compact(architecture)
            if text in self._known:
                self._answer(number, parameters, None if self._replaces else self._known[text])
            elif text in self._open:
                self._open[text].append((number, parameters))
            elif self._feasible is not None and not self._feasible(architecture):
                self._known[text] = None
                self._answer(number, parameters, None)
            else:
                self._open[text] = [(number, parameters)]
                return architecture
        raise self._nothing_left(f"{PATIENCE} proposals in a row are known or beyond the limit")

    def tell(self, architecture: Architecture, accuracy: float | None) -> None:
        """Say what became of a network that was asked for.

        Args:
            architecture: As :meth:`ask` gave it.
            accuracy: More is better; None where the trial has failed.

        Raises:
            UnknownName: Not an option of the space.
            UsageError: It was not asked for, or the accuracy is not a finite number.
        """
        if accuracy is not None and not math.isfinite(accuracy):
            raise UsageError(
                f"the accuracy is {accuracy}", "Tell a finite number, or None where the trial failed"
            )
        text = self._space.compact(self._space.canonical(architecture))
        if text not in self._open:
            raise UsageError(f"the network {text} was not asked for, or is told twice", "Tell what ask() gave")
        self._known[text] = None if accuracy is None else float(accuracy)
        for number, parameters in self._open.pop(text):
            self._answer(number, parameters, self._known[text])

    def _propose(self) -> tuple[int, Any]:
        number, self._asked = self._asked, self._asked + 1
        try:
            with quiet_logs():
                return number, self._tuner.generate_parameters(number)
        except nni.NoMoreTrialError as error:
            raise self._nothing_left("the tuner has proposed all of it") from error
        except RuntimeError as error:
            # The evolution tuner's population is all under way.
            raise UsageError(
                f"NNI's tuner waits for answers: {error}", "Tell some before asking for more"
            ) from error

    def _answer(self, number: int, parameters: Any, value: float | None) -> None:
        good = value is not None or not self._replaces
        with quiet_logs():
            if good:
                self._tuner.receive_trial_result(number, parameters, -math.inf if value is None else value)
            self._tuner.trial_end(number, good)

    def _nothing_left(self, why: str) -> NothingLeft:
        return NothingLeft(
            f"no further network of the space {self._space.name} can be tried: {why}",
            "Stop here, or raise the limit",
        )
