"""Accuracies from a function of the user's own, named ``package.module:function``."""

from __future__ import annotations

import inspect
import math
import operator
import time
from collections.abc import Callable
from typing import Any

from hwnas.core.errors import EvaluationFailed, HwnasError, UsageError
from hwnas.core.foreign_code import in_one_line
from hwnas.core.named_function import find_function
from hwnas.core.workload import Workload
from hwnas.training.accuracy import Accuracy, EpochReport, Report
from hwnas.training.networks import new_network
from hwnas.workloads.spaces.workload import declared_architecture

#: What a function may ask for, by the names of its parameters.
PARAMETERS = ("network", "architecture", "workload", "seed", "epochs", "report")
_REPORT = "Call report(epoch, accuracy) with epochs from 1 up and accuracies from 0 to 1"
_FORM = (
    "Write a function that returns an accuracy from 0 to 1, or an hwnas.training.accuracy.Accuracy; it gets "
    f"what its parameters are called: {', '.join(PARAMETERS)}"
)


class OwnEvaluator:
    """Asks a function for accuracies.

    The function gets what its parameters are called, and nothing else:

    - ``network``: an untrained :class:`torch.nn.Module`, initialised from the seed;
    - ``architecture``: a dictionary of choices and options, of an architecture of a search space;
    - ``workload``: the :class:`hwnas.core.workload.Workload`;
    - ``seed``, and ``epochs``, which is None where the budget is left to the function;
    - ``report``: to be called as ``report(epoch, accuracy)`` after every epoch, from 1 up; it may raise to end
      the trial, and what it raises must come out of the function.

    Args:
        name: ``package.module:function``; modules of the current folder are found.

    Raises:
        UsageError: There is no such function, or it asks for something else.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._function = find_function(name, "accuracy", _FORM)
        try:
            parameters = inspect.signature(self._function).parameters.values()
        except (TypeError, ValueError) as error:
            raise UsageError(f"nobody knows what {name} asks for: {error}", _FORM) from error
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            known = parameter.name in PARAMETERS and parameter.kind is not parameter.POSITIONAL_ONLY
            if not known and parameter.default is parameter.empty:
                raise UsageError(f"the function {name} asks for {parameter.name!r}", _FORM)
        self._asked = [p.name for p in parameters if p.name in PARAMETERS]
        #: Whether the seed can make a difference.
        self.seeded = bool({"seed", "network"} & set(self._asked))

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        """See :class:`hwnas.training.accuracy.AccuracyEvaluator`.

        Raises:
            EvaluationFailed: The function fails on this network, or returns no finite number.
            UsageError: It returns something else than an accuracy.
        """
        told = _Told(self.name, epochs, report)
        available: dict[str, Callable[[], Any]] = {
            "network": lambda: new_network(workload, seed),
            "architecture": lambda: declared_architecture(workload)[1],
            "workload": lambda: workload,
            "seed": lambda: seed,
            "epochs": lambda: epochs,
            "report": lambda: told,
        }
        arguments = {name: available[name]() for name in self._asked}
        begin = time.perf_counter()
        try:
            found = self._function(**arguments)
        except HwnasError:
            raise
        except Exception as error:  # whatever a user's code may raise is one network's failure
            if error is told.raised:
                raise
            raise EvaluationFailed(
                f"the function {self.name} failed: {in_one_line(error)}", "Correct it"
            ) from error
        if isinstance(found, Accuracy):
            return found
        try:
            value = float(found)
        except (TypeError, ValueError) as error:
            raise UsageError(f"the function {self.name} returned a {type(found).__name__}", _FORM) from error
        if not math.isfinite(value):
            raise EvaluationFailed(f"the function {self.name} returned {value}")
        return Accuracy(value, epochs=told.epoch, seconds=time.perf_counter() - begin)


class _Told:
    """What a function calls after an epoch."""

    def __init__(self, name: str, epochs: int | None, report: Report | None) -> None:
        self._name = name
        self.epoch = 0
        self.raised: BaseException | None = None
        self._epochs, self._report = epochs, report
        self._begin = time.perf_counter()

    def __call__(self, epoch: int, accuracy: float) -> None:
        epoch, value = self._checked(epoch, accuracy)
        self.epoch = epoch
        elapsed = time.perf_counter() - self._begin
        epochs = max(epoch, self._epochs or epoch)
        told = EpochReport(
            epoch=epoch,
            epochs=epochs,
            accuracy=value,
            loss=None,
            elapsed_s=elapsed,
            remaining_s=elapsed / max(epoch, 1) * (epochs - epoch),
        )
        try:
            if self._report:
                self._report(told)
        except BaseException as error:
            self.raised = error
            raise

    def _checked(self, epoch: int, accuracy: float) -> tuple[int, float]:
        try:
            number, value = operator.index(epoch), float(accuracy)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"the function {self._name} reported {accuracy!r} in epoch {epoch!r}", _REPORT
            ) from error
        if not math.isfinite(value):
            raise EvaluationFailed(f"the function {self._name} reported {value} in epoch {number}")
        if number < 1 or not 0 <= value <= 1:
            raise UsageError(f"the function {self._name} reported {value} in epoch {number}", _REPORT)
        return number, value
