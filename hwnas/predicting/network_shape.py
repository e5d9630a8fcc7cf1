"""What a whole network is like, in a few numbers.

The times of its kernels do not tell everything that its latency depends on: kernels find the caches as those
before them left them, and weights that outgrow a cache come from memory in every inference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwnas.cache_misses.operators import CONVOLUTION, OPERATOR_KINDS
from hwnas.predicting.kernel_facts import CONVOLUTION_FORMS, KernelFacts

#: What time may go into: operators by kind, convolutions by form.
_PARTS = (*CONVOLUTION_FORMS, *(kind for kind in OPERATOR_KINDS if kind != CONVOLUTION))

#: Names of the numbers of :func:`network_shape`.
SHAPE = (
    "log_time",
    "log_kernels",
    "log_time_a_kernel",
    "log_weight_bytes",
    "log_output_bytes",
    "log_largest_output",
    "log_macs_a_second",
    "log_bytes_a_second",
    *(f"share of {part}" for part in _PARTS),
)


def network_shape(kernels: Sequence[KernelFacts], times_s: np.ndarray) -> tuple[float, ...]:
    """How large a network is, how short its kernels are, and where its time goes.

    Args:
        kernels: ``n`` of them.
        times_s: What they are thought to take, shape ``(n,)`` [s].

    Returns:
        As many numbers as :data:`SHAPE` has names; none where no kernel takes time.
    """
    total_s = float(times_s.sum())
    if total_s <= 0:
        return ()
    shares = dict.fromkeys(_PARTS, 0.0)
    for kernel, time_s in zip(kernels, times_s, strict=True):
        shares[kernel.form or kernel.kind] += float(time_s) / total_s
    # Views, and what was done while compiling, move nothing.
    running = [k for k, time_s in zip(kernels, times_s, strict=True) if time_s > 0]
    count = len(running)
    weights = sum(k.weight_bytes for k in running)
    outputs = [k.output_bytes for k in running]
    return (
        math.log(total_s),
        math.log(count),
        math.log(total_s / count),
        math.log1p(weights),
        math.log1p(sum(outputs)),
        math.log1p(max(outputs)),
        math.log1p(sum(k.macs for k in running) / total_s),
        math.log1p((weights + sum(outputs)) / total_s),
        *shares.values(),
    )
