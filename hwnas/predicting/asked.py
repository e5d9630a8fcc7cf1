"""What a predictor is asked about: networks in any form, and the kernels of those that it met last."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.measuring.experiment import model_workload
from hwnas.predicting.kernel_facts import KernelFacts

if TYPE_CHECKING:
    import torch

#: Networks whose kernels are kept: about 50 MB.
MOST_NETWORKS = 256


class LiveModule(NamedTuple):
    """A module that exists in this process alone.

    Args:
        module: The network.
        inputs: One float32 tensor, batch first.
    """

    module: torch.nn.Module
    inputs: tuple[torch.Tensor, ...]

    def dumped(self) -> bytes:
        """Its bytes, as listing its kernels needs them; that takes as long as it has weights.

        Raises:
            UsageError: The module holds something that cannot be written.
        """
        from hwnas.workloads.live import dump_module

        return dump_module(self.module, self.inputs)


class RecentKernels:
    """The kernels of the networks that were asked for last.

    Args:
        most: Networks that are kept; the one that was asked for longest ago goes first.
    """

    def __init__(self, most: int = MOST_NETWORKS) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[KernelFacts, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> tuple[KernelFacts, ...] | None:
        """Those of a workload's key, or None."""
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key]

    def keep(self, key: str, kernels: tuple[KernelFacts, ...]) -> tuple[KernelFacts, ...]:
        """Keep the kernels of a workload's key; returns them."""
        self._known[key] = kernels
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return kernels


def declared(
    model: Workload | str | Any, example_input: torch.Tensor | None
) -> tuple[Workload, LiveModule | None]:
    """A model as a workload, with the live module where it is one.

    Modules of equal structure are one workload, whatever their weights: a training that asks in every step asks
    about the same network.

    Raises:
        UsageError: The model or its input cannot be used.
    """
    if isinstance(model, Workload):
        if example_input is not None:
            raise UsageError("a workload has its own input", "Leave out example_input")
        return model, None
    if isinstance(model, str):
        return model_workload(model, _shape(example_input), None, seed=0), None
    from hwnas.workloads.live import workload_of_module

    if example_input is None:
        raise UsageError("a module needs example_input", "Pass a float32 tensor, batch first")
    live = LiveModule(model, (example_input,))
    return workload_of_module(*live, weights=False), live


def _shape(example_input: Any) -> tuple[int, ...] | None:
    if example_input is None:
        return None
    if not hasattr(example_input, "shape"):
        raise UsageError(
            f"example_input is a {type(example_input).__name__}",
            "Give a tensor, such as torch.randn(1, 3, 224, 224)",
        )
    return tuple(example_input.shape)
