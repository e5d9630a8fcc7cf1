"""What the trials of a user's own NNI experiment call: accuracy under a latency limit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds
from hwnas.nni_bridge.installed import nni
from hwnas.nni_bridge.model_space import SpaceModel
from hwnas.nni_bridge.profiler import limit_s
from hwnas.nni_bridge.samples import architecture_of, found_space
from hwnas.predicting.latency_table import LatencyTable
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space


class Objective:
    """Accuracy of the networks within a latency limit; others are reported as bad, without being trained.

    In the script of a hyperparameter experiment, call :meth:`run_trial`. In an architecture search of NNI, the
    objective itself is the evaluator's function: ``FunctionalEvaluator(objective)`` with a ``SpaceModel``.

    Args:
        space: Or its name, or the path of its file.
        accuracy: Of an architecture; more is better.
        latency: A latency table of the space, or a function that gives the latency of an architecture [s];
            None for no limit.
        max_latency: Such as ``"2ms"``, or seconds.
        infeasible: Reported for networks beyond the limit; below every accuracy.

    Raises:
        UnknownName: No such space.
        UsageError: A limit without a latency, or a value that cannot be used.
    """

    def __init__(
        self,
        space: Space | str,
        accuracy: Callable[[Architecture], float],
        *,
        latency: LatencyTable | Callable[[Architecture], float] | None = None,
        max_latency: str | float | None = None,
        infeasible: float = 0.0,
    ) -> None:
        self.space = found_space(space)
        self._accuracy = accuracy
        self._latency = latency.latency if isinstance(latency, LatencyTable) else latency
        if max_latency is not None and latency is None:
            raise UsageError(
                "a limit is given, but nothing that tells latencies", "Give latency, such as a table"
            )
        self.max_latency_s = math.inf if max_latency is None else limit_s(max_latency)
        self._infeasible = infeasible

    def metrics(self, architecture: Architecture) -> dict[str, float]:
        """What is reported of an architecture: ``default`` is what NNI maximizes, others are for people.

        Args:
            architecture: Of the space.

        Returns:
            ``default``, and where latencies are known ``latency_ms`` and ``feasible``, 1 or 0.

        Raises:
            UnknownName: An option that the space does not have.
            UsageError: A choice without an option, a latency that is no number, or an accuracy that is not a
                finite one.
        """
        whole = self.space.canonical(architecture)
        about: dict[str, float] = {}
        if self._latency is not None:
            latency_s = float(self._latency(whole))
            if math.isnan(latency_s):
                raise UsageError(
                    f"the latency of {self.space.compact(whole)} is {latency_s}", "Give seconds from latency()"
                )
            about = {"latency_ms": latency_s * 1e3, "feasible": float(latency_s <= self.max_latency_s)}
            if latency_s > self.max_latency_s:
                return {"default": self._infeasible, **about}
        accuracy = float(self._accuracy(whole))
        if not math.isfinite(accuracy):
            raise UsageError(
                f"the accuracy of {self.space.compact(whole)} is {accuracy}",
                "Give a finite number from accuracy()",
            )
        return {"default": accuracy, **about}

    def run_trial(self) -> dict[str, float]:
        """One trial of a hyperparameter experiment: take its parameters, and report the metrics.

        The experiment's ``search_space`` is :func:`hwnas.nni.search_space`; it may have further parameters.

        Returns:
            What was reported.

        Raises:
            UsageError: It does not run inside a trial, or the parameters are not of the space.
        """
        with warnings.catch_warnings():
            # Outside of an experiment NNI gives no parameters, and a warning that the error below replaces.
            warnings.filterwarnings("ignore", message="(?s).*Running trial code without runtime")
            parameters: Any = nni.get_next_parameter()
        if not parameters:
            raise UsageError(
                "there are no parameters: this is no trial of an NNI experiment", "Start it through NNI"
            )
        metrics = self.metrics(architecture_of(self.space, parameters))
        nni.report_final_result(metrics)
        return metrics

    def __call__(self, model: SpaceModel) -> dict[str, float]:
        """Report the metrics of a network to NNI's architecture search.

        Args:
            model: As NNI's engine makes it from a ``SpaceModel``.

        Returns:
            What was reported.

        Raises:
            UsageError: The model is not a network of the space.
        """
        architecture = getattr(model, "architecture", None)
        if architecture is None:
            raise UsageError(
                f"a {type(model).__name__} came, not a network of a SpaceModel",
                "Make NNI's model space with hwnas.nni.SpaceModel",
            )
        metrics = self.metrics(architecture)
        nni.report_final_result(metrics)
        return metrics

    def __repr__(self) -> str:
        limit = (
            "no limit" if math.isinf(self.max_latency_s) else f"at most {format_seconds(self.max_latency_s)}"
        )
        return f"Objective({self.space.name!r}, {limit})"
