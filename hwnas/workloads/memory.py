"""Memory that a network's activations take in eager PyTorch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hwnas.workloads.dry_run import observe, tensors_in


@dataclass(frozen=True)
class ActivationMemory:
    """What one forward pass does to memory, weights aside.

    Args:
        peak_bytes: Most that inputs and intermediate results take at once.
        traffic_bytes: What all operators together read and write of them.
    """

    peak_bytes: int
    traffic_bytes: int


class _Tracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows storages from their creation until the last tensor on them is gone."""

    def __init__(self, inputs: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self.traffic_bytes = 0
        self._live_bytes = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        for tensor in inputs:
            self._follow(tensor.untyped_storage())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        arguments = list(tensors_in([args, kwargs]))
        written = list(tensors_in(result))
        # A result on an argument's storage is a view, be it of a weight, or was written in place.
        used = {id(t.untyped_storage()) for t in arguments}
        for tensor in written:
            if id(tensor.untyped_storage()) not in used:
                self._follow(tensor.untyped_storage())
        if not getattr(func, "is_view", False):
            read = [t for t in arguments if t.untyped_storage() in self._known]
            self.traffic_bytes += sum(t.numel() * t.element_size() for t in read + written)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self._live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self._live_bytes -= size


def activation_memory(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = "the model"
) -> ActivationMemory:
    """Follow every tensor of one forward pass, on the meta device where possible.

    Scratch memory inside operators is not seen.

    Args:
        module: In eval mode; it is not changed.
        inputs: On the module's device, batch first.
        name: The model as the user knows it, for messages.

    Raises:
        OutOfMemory: A real run did not fit.
        UsageError: The module cannot run on these inputs.
    """

    def tracked(forward: Callable[[], Any], used: tuple[torch.Tensor, ...]) -> ActivationMemory:
        tracker = _Tracker(used)
        with tracker:
            forward()
        return ActivationMemory(tracker.peak_bytes, tracker.traffic_bytes)

    return observe(name, module, inputs, tracked)


def weights_bytes(module: nn.Module) -> int:
    """Parameters and buffers, shared ones once [bytes]."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors)
