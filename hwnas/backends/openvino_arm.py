"""The base of the OpenVINO arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hwnas.backends.protocol import Availability, Program, Session
from hwnas.core.errors import CellError, MissingDependency
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.kernel import Kernel


class OpenVinoArm:
    """What every OpenVINO device has in common; see `hwnas.backends.protocol.Backend`."""

    id: str
    description: str
    tolerance: float
    runs_files = True
    steady_heap = True
    lists_kernels = True
    #: Its sessions list their kernels too, and a listing needs one.
    compiles_to_list = True
    #: OpenVINO's name of the device.
    device: str
    #: Value of INFERENCE_PRECISION_HINT: never left to the plugin, whose default varies by CPU.
    precision: str
    #: What to install where the device is not found.
    remedy: str

    def availability(self) -> Availability:
        """Available where OpenVINO is installed and finds the device."""
        try:
            from hwnas.backends.openvino_session import device_availability
        except MissingDependency as error:
            return Availability(False, error.message, error.hint)
        except FOREIGN_CODE_ERRORS as error:
            return Availability(
                False, f"OpenVINO cannot be imported: {in_one_line(error)}", "pip install openvino"
            )
        return device_availability(self.device, self.remedy)

    def environment(self, threads: int) -> dict[str, str]:
        """Conversion runs torch in this process; its pool must not compete with OpenVINO's."""
        return {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

    def config(self, threads: int) -> dict[str, Any]:
        """Properties for `compile_model`: lowest latency of one request at a time."""
        return {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": self.precision,
        }

    def compile(self, program: Program, threads: int) -> Session:
        """Convert, reshape to the static input and compile for the device.

        Raises:
            CellError: OpenVINO cannot convert or compile the network, or lacks the device.
            UsageError: The model file cannot be read, or its input has another shape.
        """
        from hwnas.backends.openvino_session import OpenVinoSession

        return OpenVinoSession(program, self.device, self.config(threads))

    def compile_many(self, programs: Sequence[Program], threads: int) -> Iterator[Session]:
        """Sessions of many small networks, one after the other, which are converted together where they can be.

        Raises:
            CellError: OpenVINO cannot convert or compile one of them, or lacks the device.
        """
        from hwnas.backends.openvino_joined import converted_together
        from hwnas.backends.openvino_session import OpenVinoSession

        try:
            models: Sequence[Any] = converted_together(programs)
        except CellError:
            # By itself each gives its own reason.
            models = [None] * len(programs)
        for program, model in zip(programs, models, strict=True):
            yield OpenVinoSession(program, self.device, self.config(threads), model)

    def list_kernels(self, program: Program, threads: int) -> tuple[Kernel, ...]:
        """The fused kernels of the network as it is compiled for the device.

        Raises:
            CellError: OpenVINO cannot convert or compile the network.
            UsageError: The model file cannot be read, or its input has another shape.
        """
        from hwnas.backends.openvino_session import OpenVinoSession

        return OpenVinoSession(program, self.device, self.config(threads)).listed_kernels()
