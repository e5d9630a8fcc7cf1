"""Latency for people with an Optuna study of their own: a constraint, an objective, or both, in three lines.

The latency is known before anything is trained, so that a trial beyond the limit costs no training:

>>> import optuna
>>> from hwnas.optuna import Latency
>>> from hwnas.predicting.latency_table import Factor, LatencyTable
>>> table = LatencyTable(
...     {"width": [16, 32, 64]}, [Factor("width", "width", [1e-3, 2e-3, 4e-3])], constant_s=0.5e-3,
...     backend="openvino:cpu:fp32", host="a made-up machine", batch=1,
... )
>>> latency = Latency(table, at_most="3ms")                                       # one
>>> def objective(trial):
...     width = trial.suggest_categorical("width", [16, 32, 64])
...     latency.constrain(trial, {"width": width})                                # two: ends what is too slow
...     return 0.9 - 1 / width                                                    # stands for a training
>>> optuna.logging.set_verbosity(optuna.logging.ERROR)
>>> study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
>>> study.optimize(objective, n_trials=12)
>>> study.best_params
{'width': 32}
>>> {trial.params["width"] for trial in study.trials if trial.state.name == "PRUNED"}
{64}

As a second objective instead of a limit, :meth:`Latency.seconds` is what the objective returns beside the
accuracy, in a study with ``directions=["maximize", "minimize"]``.

What :meth:`Latency.constrain` ends, the TPE sampler learns from. Optuna's GP, NSGA-II and NSGA-III look at
complete trials only: :class:`RuledOutSeen` shows them the others, as in
``sampler=RuledOutSeen(optuna.samplers.NSGAIISampler(seed=0))``. A study over one of hwnas's search spaces may
use hwnas's own sampler: :class:`HwnasSampler`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds, parse_seconds
from hwnas.core.workload import Scalar, Workload
from hwnas.predicting.network_model import CONFIDENCE as _INTERVAL
from hwnas.searching.estimate import Estimate
from hwnas.searching.optuna_sampler import HwnasSampler
from hwnas.searching.optuna_space import distributions
from hwnas.searching.predicted_latency import TABLE_SPREAD
from hwnas.searching.ruled_out_seen import RuledOutSeen

if TYPE_CHECKING:
    import torch

    from hwnas.predicting.latency_table import LatencyTable
    from hwnas.predicting.predictor import LatencyPredictor

__all__ = ["HwnasSampler", "Latency", "RuledOutSeen", "distributions"]


class Latency:
    """Predicted latency in trials of a study.

    Args:
        source: A predictor, for networks; or a latency table, for choices.
        at_most: Limit for :meth:`constrain`, such as ``"2ms"``, or in seconds.
        confidence: A trial goes on where its latency is at most the limit so surely.
        name: Under which trials keep the latency, and the constraint.
        table_spread: Standard deviation of the logarithm of measured latencies over a table's; a table alone
            says no interval. A predictor says its own.

    Raises:
        UsageError: A value cannot be used.
    """

    def __init__(
        self,
        source: LatencyPredictor | LatencyTable,
        at_most: str | float | None = None,
        *,
        confidence: float = 0.9,
        name: str = "latency",
        table_spread: float = TABLE_SPREAD,
    ) -> None:
        if not (math.isfinite(table_spread) and table_spread >= 0):
            raise UsageError(f"table_spread is {table_spread}", "Give 0, or a small number such as 0.1")
        if not 0.5 <= confidence < 1:
            raise UsageError(f"confidence is {confidence}", "Give a share from 0.5 up to, but not, 1")
        self.at_most_s = None if at_most is None else parse_seconds(at_most)
        if self.at_most_s is not None and self.at_most_s <= 0:
            raise UsageError(f"at_most is {at_most}", "Give a positive latency, such as 2ms")
        self.confidence = confidence
        self.name = name
        self.table_spread = table_spread
        self._source = source

    def seconds(
        self,
        trial: optuna.Trial,
        network: torch.nn.Module | Workload | str | Mapping[str, Scalar],
        example_input: torch.Tensor | None = None,
    ) -> float:
        """The latency, as an objective to minimise [s]; the trial keeps it as a user attribute.

        Args:
            trial: Being run.
            network: As :meth:`hwnas.LatencyPredictor.predict` takes it; choices and options for a table.
            example_input: Float32, batch first; needed for a module.

        Raises:
            CellError: The network cannot be compiled, or its prediction would be a guess.
            UnknownName: A choice or option that the table does not have.
            UsageError: The network or its input cannot be used.
        """
        return float(self._estimate(trial, network, example_input).median[0])

    def constrain(
        self,
        trial: optuna.Trial,
        network: torch.nn.Module | Workload | str | Mapping[str, Scalar],
        example_input: torch.Tensor | None = None,
    ) -> float:
        """The latency [s] of a trial within the limit; one beyond it ends here, before it is trained.

        Samplers that know constraints (``Trial.set_constraint``) learn from both, some of them within
        :class:`RuledOutSeen`.

        Args:
            trial: Being run.
            network: As in :meth:`seconds`.
            example_input: As in :meth:`seconds`.

        Raises:
            TrialPruned: Optuna's; the latency is not surely within the limit.
            CellError: The network cannot be compiled, or its prediction would be a guess.
            UnknownName: A choice or option that the table does not have.
            UsageError: There is no limit, or the network or its input cannot be used.
        """
        if self.at_most_s is None:
            raise UsageError("a constraint needs a limit", 'Give at_most, such as Latency(source, "2ms")')
        estimate = self._estimate(trial, network, example_input)
        upper_s = float(estimate.upper(self.confidence)[0])
        trial.set_constraint(self.name, math.log(upper_s / self.at_most_s))
        if upper_s > self.at_most_s:
            raise optuna.TrialPruned(
                f"{self.name} may be {format_seconds(upper_s)}, more than {format_seconds(self.at_most_s)}"
            )
        return float(estimate.median[0])

    def _estimate(self, trial: optuna.Trial, network: Any, example_input: torch.Tensor | None) -> Estimate:
        from hwnas.predicting.latency_table import LatencyTable

        if isinstance(self._source, LatencyTable):
            if not isinstance(network, Mapping):
                raise UsageError("a latency table tells of choices", "Pass a mapping of choices to options")
            latency_s = self._source.latency(network)
            estimate = Estimate(np.array([latency_s]), np.array([self.table_spread]))
        else:
            prediction = self._source.predict(network, example_input)
            estimate = Estimate.of_interval(
                prediction.latency_s, prediction.low_s, prediction.high_s, _INTERVAL
            )
        trial.set_user_attr(f"{self.name} [s]", float(estimate.median[0]))
        return estimate
