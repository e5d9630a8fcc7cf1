"""The proof of a limit for a network that is an object, such as one that was pruned."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from hwnas.core.kernel import Kernel
from hwnas.jobs.feasibility import Feasibility, LatencyProof
from hwnas.jobs.host_timer import HostTimer, Live, Times
from hwnas.workloads.cost import module_cost
from hwnas.workloads.live import dump_module, workload_of_module


@dataclass(frozen=True)
class ModuleProof:
    """What was measured.

    Args:
        latency: Against its limit.
        kernels: What ran, in order, with times where the runtime tells them.
    """

    latency: LatencyProof
    kernels: tuple[Kernel, ...]


def prove_module(
    timer: HostTimer, network: nn.Module, images: torch.Tensor, backend: str, limit_s: float | None
) -> ModuleProof:
    """Measure a network pass by pass until it is clear whether it is within its limit, as finalists are.

    Args:
        timer: Measures.
        network: In eval mode; not changed.
        images: Its input, float32, batch first.
        backend: Full id.
        limit_s: The most that an inference may take [s]; None where nothing is to be decided.

    Raises:
        DatabaseError: A measurement could not be stored.
        OutOfMemory: The network does not fit.
        UsageError: It cannot leave this process.
    """
    # As it is exported: training leaves weights in channels-last memory.
    own = copy.deepcopy(network).to(memory_format=torch.contiguous_format).eval()
    inputs = (images,)
    workload = workload_of_module(own, inputs)
    live = Live(dump_module(own, inputs), module_cost(own, inputs))

    def proof(times: Times) -> LatencyProof:
        timed = times[workload, backend]
        return LatencyProof(backend, timed.estimate, limit_s, timed.reason)

    def is_open(_: object, times: Times) -> bool:
        found = proof(times)
        return found.verdict is Feasibility.UNCLEAR and found.estimate is not None

    times = timer.close([workload], [backend], is_open=is_open, live={workload.key: live})
    return ModuleProof(proof(times), times[workload, backend].kernels)
