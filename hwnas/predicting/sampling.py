"""Which networks to measure next, so that a predictor learns most."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Sequence

import numpy as np

from hwnas.core.errors import BackendUnavailable, CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.predicting.chains import random_chain, random_width
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.patterns import PATTERNS, pattern_workload
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_workload

#: Shipped search spaces, all of which have small networks.
_SPACES = ("darts", "mbconv", "nasbench201", "patterns")
#: Candidates for each network that is chosen.
_CHOICE = 4


def random_workload(rng: np.random.Generator) -> Workload:
    """A network drawn from what convolutional networks are made of.

    Most are chains of layers like those of known networks, which show many kernels at once
    (:mod:`hwnas.predicting.chains`); the others are architectures of the shipped search spaces and stacks of a
    design pattern.
    """
    what = rng.random()
    if what < 0.7:
        return random_chain(rng)
    return _random_architecture(rng) if what < 0.85 else _random_pattern(rng)


def _random_architecture(rng: np.random.Generator) -> Workload:
    space = load_space(str(rng.choice(_SPACES)))
    return space_workload(space, space.sample(random.Random(int(rng.integers(2**32)))))


def _random_pattern(rng: np.random.Generator) -> Workload:
    name = str(rng.choice(sorted(PATTERNS)))
    size = int(rng.choice([112, 56, 28, 14, 7]))
    width = 32 * max(1, round(random_width(rng, max(32, 7168 // size)) / 32))
    return pattern_workload(name, depth=int(rng.integers(1, 5)), width=width, resolution=size)


def informative(
    predictors: Sequence[LatencyPredictor],
    rng: np.random.Generator,
    count: int,
    draw: Callable[[np.random.Generator], Workload] = random_workload,
    known: Collection[str] = (),
    until: float = math.inf,
    told: Callable[[str], None] = lambda text: None,
) -> list[Workload]:
    """The candidates of whose latency the predictors know least; any, without predictors.

    Args:
        predictors: One a backend, or none.
        rng: Source of the candidates.
        count: How many are wanted.
        draw: Draws a candidate.
        known: Keys of workloads that are no candidates.
        until: Time of :func:`time.monotonic` after which no further candidate than the first is looked at.
        told: Called with which candidate is looked at.

    Raises:
        BackendUnavailable: A backend cannot list kernels here.
    """
    drawn = {w.key: w for w in (draw(rng) for _ in range(_CHOICE * count))}
    candidates = [w for key, w in drawn.items() if key not in known]
    if not predictors:
        return candidates[:count]

    def doubt(workload: Workload) -> float:
        worst = 0.0
        for predictor in predictors:
            try:
                found = predictor.predict(workload)
            except BackendUnavailable:
                raise
            except (CellError, UsageError):
                # What cannot be predicted is what has to be measured.
                return math.inf
            worst = max(worst, math.log(found.high_s / found.low_s))
        return worst

    doubts: dict[str, float] = {}
    for number, workload in enumerate(candidates, 1):
        if doubts and time.monotonic() > until:
            break
        told(f"candidate {number} of {len(candidates)}")
        doubts[workload.key] = doubt(workload)
    looked_at = [w for w in candidates if w.key in doubts]
    return sorted(looked_at, key=lambda w: -doubts[w.key])[:count]
