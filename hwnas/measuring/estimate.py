"""What a plan will cost in time and memory, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from hwnas.core.workload import Workload
from hwnas.measuring.settings import Settings
from hwnas.workloads.cost import WorkloadCost

#: Assumed where nobody has read the host's canary: multiply-adds per second and thread of a CPU with AVX2.
COMMON_MACS_PER_S = 15e9

#: Assumed until this run has timed something: bytes per second at which activations pass through memory.
_BYTES_PER_S = 4e9

#: Resident size of a worker with torch and OpenVINO loaded, before it holds a network.
WORKER_BYTES = 600 * 2**20

#: Weights stand in the module, its double-precision reference and the runtime's own copy;
#: activations in the output, the runtime's arena and the reference of one image.
_WEIGHT_COPIES = 4
_ACTIVATION_COPIES = 2

#: Building, converting and compiling one network on one arm.
_PREPARE_S = 1.0


@dataclass(frozen=True)
class CellCost:
    """The expected cost of one arm in one pass.

    Args:
        inference_s: One inference [s].
        total_s: The whole cell [s].
        memory_bytes: Peak resident size of its worker.
    """

    inference_s: float
    total_s: float
    memory_bytes: int


def cell_cost(
    workload: Workload,
    cost: WorkloadCost,
    threads: int,
    settings: Settings,
    macs_per_s: float = COMMON_MACS_PER_S,
) -> CellCost:
    """Expect the cost of one arm in one pass; a rough guess that progress corrects.

    Args:
        workload: For its batch.
        cost: MACs, parameters and activation bytes of one inference.
        threads: Threads of the arm.
        settings: Budget and fewest rounds.
        macs_per_s: Multiply-adds per second and thread.
    """
    macs, touched = cost.macs or 0, cost.activation_bytes or 0
    inference_s = macs / (macs_per_s * threads) + touched / _BYTES_PER_S + 1e-4
    timed_s = max(settings.budget_s, settings.min_rounds * max(inference_s, settings.turn_s))
    warm_s = max(settings.warmup_s, 3 * inference_s)
    memory = (
        WORKER_BYTES + _WEIGHT_COPIES * cost.weights_bytes + _ACTIVATION_COPIES * cost.peak_activation_bytes
    )
    reference_s = 4 * inference_s / workload.batch
    return CellCost(inference_s, timed_s + warm_s + reference_s + _PREPARE_S, memory)
