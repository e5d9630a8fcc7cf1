"""Whether a training fits into memory, told before it begins: Linux kills what asks for too much."""

from __future__ import annotations

from dataclasses import replace

from hwnas.core.errors import OutOfMemory
from hwnas.core.units import format_bytes
from hwnas.core.workload import Workload
from hwnas.host.memory import available_memory_bytes
from hwnas.workloads.cost import workload_cost

#: Weights, gradients, momentum and the best epoch's copy.
_WEIGHT_COPIES = 4
#: Operators read about as much as they write, and what they write is kept for the gradients.
_KEPT = 0.5


def check_training_memory(workload: Workload, batch: int) -> None:
    """Refuse a training that takes more memory than there is, by a lower bound.

    Args:
        workload: The network.
        batch: Images of a step.

    Raises:
        OutOfMemory: It does not fit.
        UsageError: The network cannot be built.
    """
    cost = workload_cost(replace(workload, input_shape=(1, *workload.input_shape[1:])))
    least = _WEIGHT_COPIES * cost.weights_bytes + _KEPT * batch * (cost.activation_bytes or 0)
    free = available_memory_bytes()
    if least > free:
        raise OutOfMemory(
            f"training {workload.label} takes at least {format_bytes(least)} of memory, and "
            f"{format_bytes(free)} are left",
            "Search a smaller space or smaller images, or free memory",
        )
