"""Cache misses by the sources that need the process in which the network lives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwnas.backends.protocol import Session
from hwnas.cache_misses.model import modelled_misses
from hwnas.cache_misses.operators import misses_by_operator
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter, misses_of
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
    # A third party's backend may be older than this method.
    tell = getattr(session, "dataflow", None)
    flow = tell() if tell and device == "cpu" else None
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
