"""PyTorch with oneDNN forced for every operation that supports it ('Optimized' in the paper)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hwnas.backends.protocol import Program, Session
from hwnas.backends.torch_arm import TorchArm
from hwnas.core.errors import BackendUnavailable
from hwnas.core.kernel import Kernel

if TYPE_CHECKING:
    import torch


class TorchMkldnn(TorchArm):
    """Weights and activations in oneDNN's own blocked layouts."""

    id = "torch-mkldnn:cpu:fp32"
    description = "PyTorch eager on the CPU, explicit oneDNN tensors (torch.utils.mkldnn)"
    needs_mkldnn = True
    lists_kernels = False

    def compile(self, program: Program, threads: int) -> Session:
        """Convert the modules that oneDNN supports; others run on dense tensors in between.

        Raises:
            BackendUnavailable: The program is a model file.
        """
        import torch

        from hwnas.backends.torch_session import TorchSession, require_module

        start = time.perf_counter()
        original = require_module(program, self.id)
        module = _to_mkldnn(copy.deepcopy(original))
        inputs = tuple(t.to_mkldnn() for t in program.inputs)
        elapsed = time.perf_counter() - start
        # Whose operators are asked for later; its weights are not.
        skeleton = copy.deepcopy(original).to("meta")
        torch.set_num_threads(threads)
        call, dense_operators = _with_fallback(module, inputs)
        return TorchSession(
            module,
            inputs,
            threads,
            call=call,
            convert_s=elapsed,
            settings={"memory_format": "mkldnn", "dense_operators": sorted(dense_operators)},
            reorders=(False, False),
            traced=(skeleton, program.inputs),
        )

    def list_kernels(self, program: Program, threads: int) -> tuple[Kernel, ...]:
        """Its operators are known only when they run: which ones oneDNN lacks shows then.

        Raises:
            BackendUnavailable: Always.
        """
        raise BackendUnavailable(
            f"{self.id} cannot tell its kernels without running them", "Predict for another --backend"
        )


def _to_mkldnn(module: torch.nn.Module) -> torch.nn.Module:
    """The module with its layers replaced by oneDNN's, by those of torch.

    Torch would take a subclass for its base and lose what it adds, such as the activation in timm's batch
    normalisation or the padding in its convolution. A subclass stays as it is, on oneDNN tensors.
    """
    import torch
    from torch.utils import mkldnn

    nn = torch.nn
    replaced = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d, nn.PReLU)
    if type(module) in replaced:
        layer: torch.nn.Module = mkldnn.to_mkldnn(module)
        return layer
    if isinstance(module, replaced):
        tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        for name, tensor in tensors:
            if tensor.dtype == torch.float32:
                delattr(module, name)
                module.register_buffer(name, tensor.detach().to_mkldnn())
    for name, child in module.named_children():
        setattr(module, name, _to_mkldnn(child))
    return module


def _with_fallback(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[Callable[[], Any], set[str]]:
    """A call that runs operators without oneDNN support on dense copies, and their names.

    The interception costs a Python call an operator, so it is left out of networks that
    run without it.
    """
    import torch

    mode = _dense_fallback()
    with torch.inference_mode(), mode:
        module(*inputs)
    if not mode.dense_functions:
        return (lambda: module(*inputs)), set()

    def call() -> Any:
        with mode:
            return module(*inputs)

    return call, {getattr(f, "__name__", str(f)) for f in mode.dense_functions}


def _dense_fallback() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    class DenseFallback(TorchFunctionMode):
        """Runs what oneDNN tensors do not support on dense copies, and converts back."""

        def __init__(self) -> None:
            super().__init__()
            self.dense_functions: set[Any] = set()

        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func not in self.dense_functions:
                try:
                    return func(*args, **kwargs)
                except (NotImplementedError, RuntimeError):
                    if not _has_mkldnn((args, kwargs)):
                        raise
                    self.dense_functions.add(func)
            result = func(
                *_convert(args, torch.Tensor.to_dense, True), **_convert(kwargs, torch.Tensor.to_dense, True)
            )
            return _convert(result, torch.Tensor.to_mkldnn, False)

    return DenseFallback()


def _has_mkldnn(value: Any) -> bool:
    import torch

    if isinstance(value, torch.Tensor):
        return value.is_mkldnn
    if isinstance(value, Mapping):
        value = value.values()
    return isinstance(value, (tuple, list, type({}.values()))) and any(_has_mkldnn(v) for v in value)


def _convert(value: Any, convert: Callable[[torch.Tensor], torch.Tensor], from_mkldnn: bool) -> Any:
    """Apply `convert` to the float32 tensors of a nested value whose layout is the one to leave."""
    import torch

    if isinstance(value, torch.Tensor):
        fits = value.is_mkldnn == from_mkldnn and value.dtype == torch.float32 and value.dim() > 0
        return convert(value) if fits else value
    if isinstance(value, tuple):
        return tuple(_convert(v, convert, from_mkldnn) for v in value)
    if isinstance(value, list):
        return [_convert(v, convert, from_mkldnn) for v in value]
    if isinstance(value, dict):
        return {k: _convert(v, convert, from_mkldnn) for k, v in value.items()}
    return value
