"""What another host's predictor was worth here: its errors once adapted, and those of learning from scratch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.predicting.fitting import fit_unchecked
from hwnas.predicting.network_model import add_up
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet
from hwnas.predicting.transfer import adapt, on_own_cache

#: In each forest of what is learned from scratch, as often as there are samples.
_TREES = 25


@dataclass(frozen=True)
class Gain:
    """How an adapted predictor does against one that was trained on the same samples alone.

    Args:
        networks: Networks of this host on which they are compared; no predictor has seen the one it predicts.
        adapted: Mean absolute relative error of the adapted one.
        scratch: Of the other; None where nothing can be learned from the samples.
        source: Of the other host's predictor as it was.
        left_out: Whether the networks are the samples themselves, each predicted from all others.
    """

    networks: int
    adapted: float
    scratch: float | None
    source: float
    left_out: bool


def gain(
    source: LatencyPredictor,
    training: TrainingSet,
    samples: Collection[str],
    environment: Environment,
    *,
    trees: int = _TREES,
    told: Callable[[str], None] = lambda text: None,
) -> Gain | None:
    """Compare on the networks of a training set that are no samples.

    Where there are none, on the samples: each is left out in turn. One sample alone tells nothing.

    Args:
        source: The other host's predictor.
        training: Measured on this host.
        samples: Keys of the workloads that both may learn from.
        environment: This host's.
        trees: In each forest of what is learned from scratch.
        told: Called with what is being done.

    Returns:
        None where there is nothing to compare on.

    Raises:
        UsageError: No kernel has a time.
    """
    used = [n for n in training.networks if n.workload.key in samples]
    rest = [n for n in training.networks if n.workload.key not in samples]
    if not used or (not rest and len(used) < 2):
        return None
    rounds = [(used, rest)] if rest else [([n for n in used if n is not one], [one]) for one in used]
    adapted: list[float] = []
    scratch: list[float] = []
    for number, (learned, asked) in enumerate(rounds, 1):
        told(f"what was gained: {number} of {len(rounds)}")
        adapted += _errors(adapt(source, learned, environment), asked)
        alone = _from_scratch(replace(training, networks=tuple(learned)), environment, trees)
        scratch += _errors(alone, asked) if alone else []
    compared = rest or used
    before = copy(source)
    before.kernel_model = on_own_cache(source.kernel_model, source.environment, environment)
    return Gain(
        networks=len(compared),
        adapted=float(np.mean(adapted)),
        # Of some only, it would be an error on other networks.
        scratch=float(np.mean(scratch)) if len(scratch) == len(compared) else None,
        source=float(np.mean(_errors(before, compared))),
        left_out=not rest,
    )


def _from_scratch(training: TrainingSet, environment: Environment, trees: int) -> LatencyPredictor | None:
    try:
        return fit_unchecked(training, environment, trees=trees)
    except UsageError:
        return None


def _errors(predictor: LatencyPredictor, networks: Sequence[MeasuredNetwork]) -> list[float]:
    found = []
    for network in networks:
        total = add_up(predictor.kernel_model.predict(network.kernels), network.kernels)
        found.append(abs(predictor.answer(network.kernels, total).latency_s / network.latency_s - 1.0))
    return found
