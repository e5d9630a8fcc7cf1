"""A space's table against predictions of its whole networks: the factor between them, and what it leaves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwnas.backends.protocol import Program
from hwnas.core.errors import CELL_FAILURES, BackendUnavailable
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Scalar, Workload
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.latency_table import LatencyTable
from hwnas.predicting.listing import listing_backend, many_kernels
from hwnas.workloads.build import load_untrained
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.workload import space_workload

if TYPE_CHECKING:
    from hwnas.predicting.predictor import LatencyPredictor

#: Of the networks, this share lies within the deviation.
SHARE = 0.9
#: Networks that are compiled together.
_AT_ONCE = 5
#: Draws for each network that is wanted, before a space is taken to have no more.
_DRAWS = 20


class Correction(NamedTuple):
    """What whole networks say of a table.

    Args:
        factor: Whole networks over the table's sums, in the middle.
        deviation: Share of its latency within which :data:`SHARE` of the networks lie, once the table is
            multiplied by the factor.
    """

    factor: float
    deviation: float


def correction(
    predictor: LatencyPredictor,
    space: Space,
    table: LatencyTable,
    networks: int,
    told: Callable[[str], None] = lambda text: None,
) -> Correction | None:
    """Predict some architectures of a space as a whole, and compare.

    Args:
        predictor: That made the table.
        space: Whose table it is.
        table: Uncorrected.
        networks: How many to draw; a small space may have fewer.
        told: Called with what is being done.

    Returns:
        None where none can be predicted.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
    """
    drawn = _drawn(space, networks)
    ratios = []
    for start in range(0, len(drawn), _AT_ONCE):
        told(f"whole networks {start + 1} to {min(start + _AT_ONCE, len(drawn))} of {len(drawn)}")
        part = drawn[start : start + _AT_ONCE]
        workloads = [space_workload(space, architecture, batch=table.batch) for architecture in part]
        for architecture, latency_s in zip(part, _latencies_s(predictor, workloads), strict=True):
            sum_s = table.latency(architecture)
            if latency_s is not None and sum_s > 0:
                ratios.append(math.log(latency_s / sum_s))
    if not ratios:
        return None
    middle = float(np.median(ratios))
    left = np.abs(np.exp(np.array(ratios) - middle) - 1.0)
    return Correction(math.exp(middle), float(np.quantile(left, SHARE, method="higher")))


def _drawn(space: Space, networks: int) -> list[dict[str, Scalar]]:
    """Different architectures, the same ones every time."""
    rng = random.Random(0)
    found: dict[str, dict[str, Scalar]] = {}
    for _ in range(_DRAWS * networks):
        if len(found) == networks:
            break
        architecture = space.sample(rng)
        found.setdefault(space.compact(architecture), architecture)
    return list(found.values())


def _latencies_s(predictor: LatencyPredictor, workloads: list[Workload]) -> list[float | None]:
    """Of whole networks, converted together; None where one cannot be predicted."""
    listed = _listed(predictor, workloads)
    if listed is None and len(workloads) > 1:
        # One that cannot be compiled costs those that are compiled with it.
        return [latency_s for workload in workloads for latency_s in _latencies_s(predictor, [workload])]
    if listed is None:
        return [None] * len(workloads)
    found: list[float | None] = []
    for workload, kernels in zip(workloads, listed, strict=True):
        try:
            facts = [KernelFacts.of(k) for k in kernels]
            found.append(predictor.predict(workload, kernels=facts).latency_s)
        except CELL_FAILURES:
            found.append(None)
    return found


def _listed(predictor: LatencyPredictor, workloads: list[Workload]) -> Sequence[Sequence[Kernel]] | None:
    """Their kernels; None where one of them has none to show."""
    try:
        programs = [Program(loaded.inputs, loaded.module) for loaded in map(load_untrained, workloads)]
        runtime = listing_backend(predictor.backend)
        return many_kernels(runtime, programs, predictor.threads, predictor.kernel_model.geometries)
    except BackendUnavailable:
        raise
    except CELL_FAILURES:
        return None
