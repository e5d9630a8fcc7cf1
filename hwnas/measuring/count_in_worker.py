"""Cache misses by the sources that need the process in which the network lives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hwnas.backends.protocol import Session
from hwnas.cache_misses.model import modelled_misses
from hwnas.cache_misses.operators import misses_by_operator
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter, misses_of
from hwnas.core.dataflow import Dataflow
from hwnas.core.kernel import Kernel
from hwnas.measuring.event_counts import pmu_counters

#: Why there is no modelled count.
CANNOT_TELL = "this backend does not tell what its kernels read and write"

#: Inferences under each event of the processor's counters.
_COUNTED_S = 0.2
_FEWEST, _MOST = 3, 1000


def counted_by_processor(session: Session, call_s: float, threads: int, device: str) -> list[Counter]:
    """What the processor's own counters say of one inference.

    Args:
        session: Warm.
        call_s: One inference [s].
        threads: Of the arm, for the record.
        device: ``cpu`` or ``gpu``.
    """
    inferences = max(_FEWEST, min(_MOST, math.ceil(_COUNTED_S / call_s)))
    return pmu_counters(session.run, inferences, threads, device)


def counted_by_model(
    session: Session, geometries: Sequence[CacheGeometry], threads: int, device: str
) -> list[Counter]:
    """What the model says of one inference, for each cache.

    Args:
        session: Compiled; nothing is run.
        geometries: Last-level caches.
        threads: Of the arm, for the record.
        device: What a GPU does to the last-level cache is not modelled.
    """
    flow = _dataflow(session, device)
    if flow is None:
        elsewhere = f"the model knows processors, and this arm computes on the {device}"
        reason = CANNOT_TELL if device == "cpu" else elsewhere
        return [Counter(LLC_MISSES, None, "model", str(g), threads, None, reason) for g in geometries]
    counters = []
    for geometry in geometries:
        found = modelled_misses(flow, geometry)
        counters.append(Counter(LLC_MISSES, found.misses, "model", str(geometry), threads, found.accesses))
        counters += [
            Counter(misses_of(kind), misses, "model", str(geometry), threads)
            for kind, misses in misses_by_operator(found).items()
        ]
    return counters


def with_modelled_misses(
    kernels: Sequence[Kernel], session: Session, geometries: Sequence[CacheGeometry], device: str
) -> list[Kernel]:
    """Kernels with the attribute ``llc_misses``: cache geometry -> modelled misses in place.

    Only those that the session's dataflow knows by the same name: PyTorch's operators have no names.
    """
    flow = _dataflow(session, device) if geometries else None
    names = {k.name for k in kernels}
    if flow is None or names.isdisjoint(s.name for s in flow.steps):
        return list(kernels)
    misses: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for geometry in geometries:
        for step in modelled_misses(flow, geometry).steps:
            misses[step.step.name][str(geometry)] += step.misses
    return [
        replace(k, attributes={**k.attributes, "llc_misses": dict(misses[k.name])}) if k.name in misses else k
        for k in kernels
    ]


def _dataflow(session: Session, device: str) -> Dataflow | None:
    # A third party's backend may be older than this method.
    tell = getattr(session, "dataflow", None)
    return tell() if tell and device == "cpu" else None
