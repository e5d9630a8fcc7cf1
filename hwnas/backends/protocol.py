"""What a runtime must offer to be measured.

A backend is one file and one line in `hwnas.backends.registry`. It is constructed without
arguments and imports its runtime only inside the methods that need it, so that
listing backends costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from hwnas.core.dataflow import Dataflow
    from hwnas.core.kernel import Kernel


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here.

    Args:
        available: True when :meth:`Backend.compile` is expected to work.
        detail: The device and version found, or why there is none.
        remedy: What to install or change; empty when available.
    """

    available: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Program:
    """A network ready to be compiled: a torch module with its inputs, or a model file.

    Args:
        inputs: Input tensors, float32, batch first; always given.
        module: In eval mode; None for a model file.
        path: ONNX or OpenVINO IR file; None for a module.
        translation: Where a backend may keep its own representation of the module for the campaign's later
            processes: a path without suffix, that no other backend uses; None: nowhere.
    """

    inputs: tuple[torch.Tensor, ...]
    module: torch.nn.Module | None = None
    path: Path | None = None
    translation: Path | None = None


class Session(Protocol):
    """One compiled network with its inputs in place."""

    #: Time to translate the network into the backend's own representation [s]; None without such a step, or
    #: where an earlier process of the campaign has done it.
    convert_s: float | None
    #: Time to compile it for the device [s], None without such a step.
    compile_s: float | None

    def run(self) -> None:
        """One complete inference on the preallocated inputs; returns when the outputs are ready."""
        ...

    def outputs(self) -> list[np.ndarray]:
        """Outputs of the last :meth:`run`, copied, float32, in the network's order."""
        ...

    def effective(self) -> Mapping[str, Any]:
        """Settings read back from the runtime: threads, streams, precision ..."""
        ...

    def kernels(self) -> tuple[Kernel, ...]:
        """The primitives that really run, with their times in place where the runtime tells.

        Runs the network and may leave it slower: call it after timing and counting.
        """
        ...

    def dataflow(self) -> Dataflow | None:
        """What one inference reads and writes, kernel by kernel; None where the runtime does not tell."""
        ...


@runtime_checkable
class Backend(Protocol):
    """One runtime on one device at one precision."""

    #: ``runtime:device:precision``, for example ``openvino:cpu:fp32``.
    id: str
    #: One line for people.
    description: str
    #: Largest accepted max|y - y_ref| / max|y_ref| against the reference.
    tolerance: float
    #: Whether it runs ONNX and OpenVINO IR files.
    runs_files: bool
    #: Whether its process keeps freed memory (`hwnas.host.allocator.STEADY_HEAP`), as a comparison wants it.
    steady_heap: bool
    #: Whether :meth:`list_kernels` can answer.
    lists_kernels: bool

    def availability(self) -> Availability:
        """Whether this host can run it; never raises."""
        ...

    def environment(self, threads: int) -> Mapping[str, str]:
        """Environment variables that the worker process must start with."""
        ...

    def compile(self, program: Program, threads: int) -> Session:
        """Make the program ready to run with `threads` threads.

        Raises:
            BackendUnavailable: The backend cannot run this program here.
            CellError: It cannot convert or compile this network. Any other error, too, costs this cell alone.
            UsageError: The model file cannot be read, or does not take the inputs.
        """
        ...

    def list_kernels(self, program: Program, threads: int) -> tuple[Kernel, ...]:
        """The kernels that :meth:`compile`'s session would run, without times and without running any.

        The program's weights may be arbitrary: only shapes count.

        Raises:
            BackendUnavailable: The backend cannot tell them, or cannot run this program here.
            CellError: This network's kernels cannot be told.
        """
        ...


def computing_device(backend_id: str) -> str:
    """The device of a backend's id: ``cpu``, ``gpu`` or ``npu``."""
    return backend_id.split(":")[1]
