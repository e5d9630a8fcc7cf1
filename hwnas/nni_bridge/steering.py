"""NNI's one-shot strategies with a latency penalty that steers.

As NNI ships them, the penalty is computed from probabilities that were turned into Python's numbers
(``export_probs`` ends in ``.cpu().tolist()``): it moves the loss that is shown, and no architecture parameter.
Here the probabilities are computed from the architecture parameters themselves, which the strategy has made, so
that the penalty's gradient reaches them, whatever NNI has made of the model space: layer choices, inputs,
repetitions and mixed operations alike. (Cells have parameters of their own, of which the penalty of NNI knows
nothing: they are refused.) Nothing of NNI is patched: the method is replaced in the one object that trains.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hwnas.core.errors import UsageError
from hwnas.nni_bridge.installed import (
    DARTS,
    CategoricalMultiple,
    DifferentiableMixedCell,
    ExpectationProfilerPenalty,
    GumbelDARTS,
    Proxyless,
    ProxylessMixedRepeat,
)
from hwnas.nni_bridge.profiler import LatencyProfiler
from hwnas.nni_bridge.supernet import SampledNetwork


class LatencyPenalty(ExpectationProfilerPenalty):
    """NNI's penalty on the mean latency, which the latency table computes with its gradient.

    Args:
        profiler: Of the model space.
        baseline: Latency at which there is no penalty [s].
        scale: Of the penalty: a latency of twice the baseline adds so much to the loss.
        **settings: NNI's ``nonlinear`` and ``aggregate``.

    Raises:
        UsageError: The baseline is no positive number.
    """

    def __init__(self, profiler: LatencyProfiler, baseline: float, scale: float = 1.0, **settings: Any) -> None:
        # An infinite one would be no penalty at all.
        if not 0 < baseline < math.inf:
            raise UsageError(f"the baseline is {baseline}", "Give seconds above 0")
        super().__init__(profiler, baseline, scale, **settings)
        # Known to torch, so that it moves to the device where the supernet trains.
        self.table = profiler.table

    def profile(self, sample: dict[str, Any]) -> Tensor:
        """Mean latency [s].

        Args:
            sample: Choice -> option -> probability.

        Raises:
            UsageError: A choice of the table has no probabilities.
        """
        return self.profiler.expected_s(sample)  # type: ignore[no-any-return]


class _Steered:
    """What is the same for all three strategies; stands before NNI's class."""

    _arch_parameters: dict[str, torch.nn.Parameter]

    def __init__(self, *, penalty: Any = None, **settings: Any) -> None:
        if isinstance(penalty, dict) and isinstance(penalty.get("profiler"), LatencyProfiler):
            penalty = LatencyPenalty(**penalty)
        super().__init__(penalty=penalty, **settings)  # type: ignore[call-arg]
        self._values: dict[str, list[Any]] = {}
        #: Label -> how many options are chosen at once, of those that may be several.
        self._several: dict[str, int | None] = {}
        self._trained: Any = None

    def mutate_model(self, model: Any) -> Any:
        """NNI's supernet of a model space.

        Raises:
            UsageError: There is a penalty, and a cell whose parameters it cannot reach.
        """
        labels = model.simplify()
        self._values = {label: list(getattr(m, "values", ())) for label, m in labels.items()}
        self._several = {label: m.n_chosen for label, m in labels.items() if isinstance(m, CategoricalMultiple)}
        made = super().mutate_model(model)  # type: ignore[misc]
        cells = any(isinstance(m, DifferentiableMixedCell) for m in made.modules())
        if cells and getattr(self, "penalty", None) is not None:
            raise UsageError(
                "NNI gives a Cell architecture parameters of its own, which no penalty reaches",
                "Build the cell of LayerChoice and InputChoice, or leave the penalty out",
            )
        return made

    def configure_oneshot_module(self, training_module: Any) -> Any:
        """NNI's training, whose probabilities have gradients."""
        module = super().configure_oneshot_module(training_module)  # type: ignore[misc]
        module.export_probs = self.probabilities
        self._trained = module
        return module

    def probabilities(self) -> dict[str, dict[Any, Tensor]]:
        """Label -> option -> how likely it is, differentiable in the architecture parameters."""
        found = {
            label: dict(zip(self._values[label], alpha.softmax(-1), strict=True))
            for label, alpha in self._arch_parameters.items()
        }
        for module in self._trained.supernet_modules() if self._trained is not None else ():
            if isinstance(module, ProxylessMixedRepeat):
                # Has parameters of its own, one for each block that may be left out: also of depths between two
                # options, which NNI leaves out when it exports.
                for label, depths in module.export_probs({}).items():
                    own = {depth: p for depth, p in depths.items() if depth in self._values[label]}
                    whole = sum(own.values())
                    found[label] = {depth: p / whole for depth, p in own.items()}
        return found

    def likeliest(self) -> dict[str, Any]:
        """Label -> the option of the largest probability; of a choice of several, a list of those.

        NNI's own ``export`` of Proxyless draws one.
        """
        found = {label: self._likeliest(label, p) for label, p in self.probabilities().items()}
        for module in self._trained.supernet_modules() if self._trained is not None else ():
            if isinstance(module, DifferentiableMixedCell):
                # What its own parameters say; those of the same labels outside were never trained.
                found.update(module.export({}))
        return found

    def _likeliest(self, label: str, probabilities: dict[Any, Tensor]) -> Any:
        ranked = sorted(probabilities, key=lambda option: -float(probabilities[option].detach()))
        if label not in self._several:
            return ranked[0]
        chosen = ranked[: self._several[label] or 1]
        return [option for option in self._values[label] if option in chosen]


class SteeredDARTS(_Steered, DARTS):
    """NNI's ``DARTS`` with a penalty that steers; the same arguments.

    ``penalty=dict(profiler=latency_profiler(table, model_space), baseline=2e-3, scale=1.0)``; another
    ``ExpressionProfiler``, such as NNI's for FLOPs, steers as well, with the speed of NNI's own expectation.
    """


class SteeredGumbelDARTS(_Steered, GumbelDARTS):
    """NNI's ``GumbelDARTS`` with a penalty that steers; the same arguments.

    The penalty is that of the distribution from which samples are drawn, not of one draw: it has the same
    mean, and less noise.
    """


class SteeredProxyless(_Steered, Proxyless):
    """NNI's ``Proxyless`` with a penalty that steers; the same arguments."""

    def configure_oneshot_module(self, training_module: Any) -> Any:
        """NNI's training; steps of the weights do not spend time on gradients of the choices."""
        module = super().configure_oneshot_module(training_module)
        advance = module.advance_optimization

        def weights_alone(*args: Any, **kwargs: Any) -> None:
            sampled = [m for m in module.supernet_modules() if isinstance(m, SampledNetwork)]
            for network in sampled:
                network.learns = False
            try:
                advance(*args, **kwargs)
            finally:
                for network in sampled:
                    network.learns = True

        module.advance_optimization = weights_alone
        return module
