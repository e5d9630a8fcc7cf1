"""What the PyTorch arms share: one eager module with its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from hwnas.backends.onednn_layouts import vector_floats
from hwnas.backends.protocol import Availability, Program
from hwnas.backends.torch_convolutions import TorchConvolutions
from hwnas.backends.torch_dataflow import torch_dataflow
from hwnas.backends.torch_kernels import executed_kernels
from hwnas.core.dataflow import Dataflow
from hwnas.core.errors import BackendUnavailable
from hwnas.core.kernel import Kernel

#: A number that is flushed to zero where denormals are.
_DENORMAL = 1e-39


class TorchSession:
    """An eager module called on preallocated tensors.

    Args:
        module: In eval mode.
        inputs: Passed to every call as they are.
        threads: Intra-op threads of this process.
        call: Replaces ``module(*inputs)`` where an arm needs more than a plain call.
        settings: What the arm adds to :meth:`effective`.
        reorders: Whether oneDNN convolutions copy their activations, and their weights, to its own layout
            and back in each call.
        traced: Module and inputs whose operators this arm runs, where they are not those that are called.
        dilated_onednn: Whether oneDNN may have the dilated convolutions.
    """

    convert_s: float | None
    compile_s: float | None = None

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: tuple[torch.Tensor, ...],
        threads: int,
        *,
        call: Callable[[], Any] | None = None,
        convert_s: float | None = None,
        settings: Mapping[str, Any] | None = None,
        reorders: tuple[bool, bool] = (True, True),
        traced: tuple[torch.nn.Module, tuple[torch.Tensor, ...]] | None = None,
        dilated_onednn: bool = True,
    ) -> None:
        torch.set_num_threads(threads)
        # The same in every arm: flushing denormals in one of them alone would flatter it.
        torch.set_flush_denormal(False)
        self.convert_s = convert_s
        self._call = call or (lambda: module(*inputs))
        self._settings = dict(settings or {})
        self._reorders = reorders
        self._traced = traced or (module, inputs)
        self._dilated_onednn = dilated_onednn
        self._result: Any = None

    def run(self) -> None:
        """One inference; eager PyTorch on the CPU returns when it is done."""
        with torch.inference_mode():
            self._result = self._call()

    def outputs(self) -> list[np.ndarray]:
        """Outputs of the last run as dense float32 arrays, batch first."""
        return [dense(t).numpy().copy() for t in flatten(self._result)]

    def effective(self) -> dict[str, Any]:
        """Threads and switches as torch reports them now."""
        return {
            "threads": torch.get_num_threads(),
            "interop_threads": torch.get_num_interop_threads(),
            "streams": 1,
            "precision": _precision(self._result),
            "mkldnn_enabled": bool(torch.backends.mkldnn.enabled),
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "flush_denormal": float(torch.tensor([_DENORMAL]) * 1.0) == 0.0,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            **self._settings,
        }

    def kernels(self) -> tuple[Kernel, ...]:
        """The operators of one profiled inference, with oneDNN's primitive where oneDNN ran."""
        return executed_kernels(self.run)

    def dataflow(self) -> Dataflow:
        """Operators, and the reorders around oneDNN's convolutions, without running anything."""
        activations, weights = self._reorders
        enabled = bool(torch.backends.mkldnn.enabled and torch.backends.mkldnn.is_available())
        width = vector_floats(torch.backends.cpu.get_cpu_capability())
        threads = torch.get_num_threads()
        return torch_dataflow(
            *self._traced,
            TorchConvolutions(enabled, activations, weights, threads, width, self._dilated_onednn),
        )


def _precision(result: Any) -> str | None:
    """Of the first number that the network has returned, as runtimes write it; None where there is none yet."""
    kinds = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16"}
    return next((kinds[tensor.dtype] for tensor in flatten(result) if tensor.dtype in kinds), None)


def flatten(value: Any) -> list[torch.Tensor]:
    """Every tensor in a nested output of tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [tensor for item in value for tensor in flatten(item)]


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous float32 copy in the default layout, whatever the arm computed in."""
    if tensor.is_mkldnn:
        tensor = tensor.to_dense()
    return tensor.detach().to(torch.float32).contiguous()


def require_module(program: Program, backend_id: str) -> torch.nn.Module:
    """The program's module.

    Raises:
        BackendUnavailable: The program is a model file, which PyTorch cannot run.
    """
    if program.module is None:
        raise BackendUnavailable(
            f"{backend_id} cannot run the file {program.path}", "ONNX and IR files run on the openvino backends"
        )
    return program.module


def torch_availability(needs_mkldnn: bool = False) -> Availability:
    """Whether torch is installed, and was built with oneDNN where the arm needs it."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        return Availability(False, "torch is not installed", "pip install torch")
    if needs_mkldnn and not torch.backends.mkldnn.is_available():
        return Availability(
            False, f"torch {found} was built without oneDNN", "Install an x86-64 build of torch"
        )
    return Availability(True, f"torch {found}")
