"""Kernels of a network as the page of a search shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwnas.core.kernel import Kernel

#: Those that cost most.
_SHOWN = 15


def kernel_records(kernels: Sequence[Kernel]) -> list[dict[str, Any]]:
    """The costliest kernels, the costliest first, with their share of all; JSON-ready, times in ms."""
    timed = [k for k in kernels if k.time_s is not None]
    total = sum(k.time_s or 0.0 for k in timed)
    found = []
    for kernel in sorted(timed, key=lambda k: -(k.time_s or 0.0))[:_SHOWN]:
        shapes = kernel.attributes.get("input_shapes") or []
        found.append(
            {
                "type": kernel.type,
                "implementation": kernel.implementation,
                "input": "x".join(map(str, shapes[0])) if shapes else "",
                "fused": list(kernel.fused),
                "time_ms": (kernel.time_s or 0.0) * 1e3,
                "share": (kernel.time_s or 0.0) / total if total else 0.0,
            }
        )
    return found
