"""A latency table as NNI's profiler: for its filters, and for the penalties of its one-shot searches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.units import parse_seconds
from hwnas.core.workload import Scalar
from hwnas.nni_bridge.installed import Categorical, ExpressionProfiler, Filter, MutableExpression
from hwnas.predicting.latency_table import Factor, LatencyTable


class LatencyProfiler(ExpressionProfiler):
    """Latencies of a model space's samples [s].

    ``profile(sample)`` gives what the table's ``latency`` gives. ``expression`` is the same as a sum of mutable
    expressions, one for every factor, with which NNI computes on its own.

    Args:
        table: Its choices must be choices of the model space.
        model_space: A :class:`~hwnas.nni_bridge.model_space.SpaceModel`, or any model space of NNI, such as
            one of ``LayerChoice`` with named candidates. Choices that the table does not know cost nothing.

    Attributes:
        table: The table.
        expression: The latency [s].

    Raises:
        UnknownName: The model space lacks a choice of the table.
        UsageError: A choice has other options than in the table, or is none between single options.
    """

    def __init__(self, table: LatencyTable, model_space: Any) -> None:
        super().__init__(model_space)
        self.table = table
        labels = model_space.simplify()
        mutables = {name: _matching(labels, name, options) for name, options in table.choices.items()}
        terms = [
            _term(factor, table, [mutables[choice] for choice in factor.choices]) for factor in table.factors
        ]
        self.expression = _sum([*terms, table.constant_s.item()])

    def expected_s(self, distributions: Mapping[str, Mapping[Any, Tensor | float]]) -> Tensor:
        """Mean latency of samples whose choices are drawn independently [s].

        Args:
            distributions: Choice -> option -> probability, as ``export_probs`` of a one-shot search gives them.

        Returns:
            Shape ``()``, differentiable.

        Raises:
            UsageError: A choice or an option of the table has no probability.
        """
        probabilities = {}
        for name, options in self.table.choices.items():
            given = distributions.get(name, {})
            missing = [option for option in options if option not in given]
            if missing:
                raise UsageError(
                    f"no probability is given for {missing[0]!r} of {name}", "Give one for each option"
                )
            probabilities[name] = torch.stack([torch.as_tensor(given[option]) for option in options])
        return self.table.expected(probabilities)


class _Entry:
    """A factor's entry for given options [s]."""

    def __init__(self, factor: Factor, options: Sequence[Sequence[Scalar]]) -> None:
        self._seconds: dict[tuple[Scalar, ...], float] = dict(
            zip(itertools.product(*options), factor.seconds.reshape(-1).tolist(), strict=True)
        )

    def __call__(self, *chosen: Scalar) -> float:
        return self._seconds[chosen]


def _term(factor: Factor, table: LatencyTable, mutables: Sequence[Any]) -> Any:
    entry = _Entry(factor, [table.choices[choice] for choice in factor.choices])
    name = factor.name.replace("{", "{{").replace("}", "}}")
    return MutableExpression(entry, f"{name}({', '.join(['{}'] * len(mutables))})", list(mutables))


def _sum(terms: list[Any]) -> Any:
    """Balanced, so that the expression of a large table is not deeper than Python's stack."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _sum(terms[:half]) + _sum(terms[half:])


def _matching(labels: Mapping[str, Any], name: str, options: tuple[Scalar, ...]) -> Any:
    if name not in labels:
        raise UnknownName("choice of the model space", name, labels)
    found = labels[name]
    if not isinstance(found, Categorical):
        raise UsageError(
            f"{name} is a {type(found).__name__} of the model space, not a choice of one option",
            "Leave it out of the table",
        )
    if len(found.values) != len(options) or not all(option in found.values for option in options):
        raise UsageError(
            f"the options of {name} are {list(found.values)} in the model space, and {list(options)} in the "
            "table",
            "Name the candidates of a LayerChoice by giving them as a dictionary",
        )
    return found


def latency_profiler(table: LatencyTable, model_space: Any) -> LatencyProfiler:
    """A profiler for NNI made from a latency table.

    Args:
        table: Its choices must be choices of the model space.
        model_space: Of NNI.

    Raises:
        UnknownName: The model space lacks a choice of the table.
        UsageError: A choice has other options than in the table, or is none between single options.
    """
    return LatencyProfiler(table, model_space)


def latency_filter(profiler: LatencyProfiler, most: str | float) -> Any:
    """NNI's ``Filter`` middleware that lets no network through whose latency is above a limit.

    ``Chain(Random(), latency_filter(profiler, "2ms"))`` evaluates networks within the limit only.

    Args:
        profiler: Tells the latency.
        most: Such as ``"2ms"``, or seconds.

    Raises:
        UsageError: Not a time above 0.
    """
    most_s = limit_s(most)
    return Filter(lambda model: profiler.profile(model.sample) <= most_s)


def limit_s(most: str | float) -> float:
    """A latency limit as a user writes it [s].

    Args:
        most: Such as ``"2ms"``, or seconds.

    Raises:
        UsageError: Not a time above 0: no network would be within it, and nobody told.
    """
    found = parse_seconds(most)
    if not found > 0:
        raise UsageError(f"the latency limit is {most}", "Give one above 0, such as 2ms")
    return found
