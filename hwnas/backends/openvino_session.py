"""What the OpenVINO arms share: convert, compile, run, and read back what took effect."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from hwnas.backends.openvino_dataflow import compiled_dataflow
from hwnas.backends.openvino_kernels import compiled_kernels, plain, times_in_place
from hwnas.backends.openvino_runtime import import_openvino
from hwnas.backends.openvino_translation import TranslatedNetwork
from hwnas.backends.protocol import Availability, Program
from hwnas.core.dataflow import Dataflow
from hwnas.core.errors import BackendUnavailable, CellError, UsageError
from hwnas.core.kernel import Kernel

ov = import_openvino()

#: Read back after compilation; a device that lacks one simply does not list it.
_READ_BACK = {
    "INFERENCE_NUM_THREADS": "threads",
    "NUM_STREAMS": "streams",
    "INFERENCE_PRECISION_HINT": "precision",
    "PERFORMANCE_HINT": "performance_hint",
    "EXECUTION_MODE_HINT": "execution_mode",
    "ENABLE_CPU_PINNING": "cpu_pinning",
    "ENABLE_HYPER_THREADING": "hyper_threading",
    "CPU_DENORMALS_OPTIMIZATION": "flush_denormal",
    "EXECUTION_DEVICES": "devices",
}


class OpenVinoSession:
    """One network compiled for one OpenVINO device.

    Args:
        program: Module or model file with its inputs.
        device: OpenVINO device name, for example ``CPU``.
        config: Properties for `compile_model`.
        converted: The program as an ``openvino.Model``, where somebody has converted it already.

    Raises:
        CellError: OpenVINO cannot convert or compile the network.
        UsageError: The model file cannot be read, or its input has another shape.
    """

    def __init__(self, program: Program, device: str, config: Mapping[str, Any], converted: Any = None) -> None:
        self._core = ov.Core()
        kept = TranslatedNetwork(self._core, program.translation if program.module is not None else None)
        start = time.perf_counter()
        model = converted or kept.read() or self._read(program)
        self._reshape(model, program)
        self.convert_s: float | None = None if kept.found else time.perf_counter() - start
        model = kept.keep(model)
        self._model, self._device, self._config = model, device, dict(config)
        self._inputs = [np.ascontiguousarray(t.numpy()) for t in program.inputs]
        start = time.perf_counter()
        self._compile()
        self.compile_s: float | None = time.perf_counter() - start
        self._bind_inputs()

    def _compile(self, **further: Any) -> None:
        try:
            self._compiled = self._core.compile_model(self._model, self._device, {**self._config, **further})
        except RuntimeError as error:
            raise CellError(
                f"OpenVINO cannot compile the network for {self._device}: {brief(error)}"
            ) from error

    def _bind_inputs(self) -> None:
        self._request = self._compiled.create_infer_request()
        for index, array in enumerate(self._inputs):
            self._request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))

    def _read(self, program: Program) -> Any:
        if program.path is not None:
            try:
                return self._core.read_model(program.path)
            except RuntimeError as error:
                raise UsageError(
                    f"OpenVINO cannot read {program.path}: {brief(error)}",
                    "Give a valid ONNX or OpenVINO IR file",
                ) from error
        try:
            return ov.convert_model(exported_program(program), share_weights=True)
        except CellError:
            raise
        except Exception as error:  # the converter raises many types, none of them public
            raise CellError(f"OpenVINO cannot convert the network: {brief(error)}") from error

    def _reshape(self, model: Any, program: Program) -> None:
        shapes = [list(t.shape) for t in program.inputs]
        if len(model.inputs) != len(shapes):
            raise UsageError(
                f"the network has {len(model.inputs)} inputs, {len(shapes)} were given",
                "Give one input shape for each",
            )
        try:
            model.reshape(dict(zip(model.inputs, shapes, strict=True)))
        except RuntimeError as error:
            expected = [str(port.partial_shape) for port in model.inputs]
            raise UsageError(
                f"input shape {shapes} does not fit the network, which takes {', '.join(expected)}",
                "Change --input",
            ) from error

    def run(self) -> None:
        """One synchronous inference; outputs stay in the request, nothing is copied."""
        self._request.infer(share_inputs=True, share_outputs=True)

    def outputs(self) -> list[np.ndarray]:
        """Outputs of the last run as float32 copies, in the network's order."""
        return [
            np.array(self._request.get_output_tensor(i).data, dtype=np.float32)
            for i in range(len(self._compiled.outputs))
        ]

    def effective(self) -> dict[str, Any]:
        """Properties of the compiled network as the plugin reports them."""
        supported = set(self._compiled.get_property("SUPPORTED_PROPERTIES"))
        found: dict[str, Any] = {}
        for name, key in _READ_BACK.items():
            if name in supported:
                found[key] = plain(self._compiled.get_property(name))
        return found

    def kernels(self) -> tuple[Kernel, ...]:
        """The fused kernels of OpenVINO's execution graph, in order of execution, with their times.

        The network is compiled again, with OpenVINO's own profiling, and stays so.

        Raises:
            CellError: It cannot be compiled again.
        """
        # One network at a time: two would need twice the memory.
        del self._request, self._compiled
        self._compile(PERF_COUNT=True)
        self._bind_inputs()
        return compiled_kernels(self._compiled, self._model, times_in_place(self._request, self.run))

    def listed_kernels(self) -> tuple[Kernel, ...]:
        """The fused kernels of the execution graph, without times; nothing is run."""
        return compiled_kernels(self._compiled, self._model, {})

    def dataflow(self) -> Dataflow:
        """Buffers and fused kernels of the execution graph."""
        return compiled_dataflow(self._compiled)


def exported_program(program: Program) -> Any:
    """The program's module as ``torch.export`` sees it.

    Raises:
        BackendUnavailable: The program is a file.
    """
    import torch

    if program.module is None:
        raise BackendUnavailable("nothing to convert: neither a module nor a file")
    with torch.no_grad():
        return torch.export.export(program.module, program.inputs, strict=False)


def brief(error: Exception) -> str:
    """The last line of an OpenVINO message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def device_availability(device: str, remedy: str) -> Availability:
    """Whether OpenVINO finds the device on this host and its driver answers; never raises.

    Args:
        device: OpenVINO device name, for example ``GPU``.
        remedy: What to install where it is missing.
    """
    try:
        core = ov.Core()
        devices = core.available_devices
        found = [d for d in devices if d == device or d.startswith(f"{device}.")]
        if found:
            name = core.get_property(found[0], "FULL_DEVICE_NAME")
            return Availability(True, f"OpenVINO {_version()}, {name}")
    except RuntimeError as error:
        return Availability(False, f"OpenVINO {_version()} cannot ask for {device}: {brief(error)}", remedy)
    seen = ", ".join(devices) or "none"
    return Availability(False, f"OpenVINO {_version()} finds no {device} (devices found: {seen})", remedy)


def _version() -> str:
    return str(ov.__version__).partition("-")[0]
