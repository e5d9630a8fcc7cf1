"""The base of the PyTorch arms on the CPU at FP32."""

from __future__ import annotations

from hwnas.backends.protocol import Availability, Program, Session
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.kernel import Kernel


class TorchArm:
    """What every PyTorch arm on the CPU has in common; see `hwnas.backends.protocol.Backend`."""

    id: str
    description: str
    tolerance = 1e-3
    runs_files = False
    steady_heap = True
    lists_kernels = True
    needs_mkldnn = False
    #: Whether oneDNN may have convolutions, and dilated ones.
    onednn = True
    dilated_onednn = True

    def availability(self) -> Availability:
        """Available wherever torch is installed with what the arm needs."""
        try:
            from hwnas.backends.torch_session import torch_availability

            return torch_availability(self.needs_mkldnn)
        except FOREIGN_CODE_ERRORS as error:
            # Not an ImportError alone: a library of the system that torch lacks is an OSError.
            return Availability(False, f"torch cannot be imported: {in_one_line(error)}", "pip install torch")

    def environment(self, threads: int) -> dict[str, str]:
        """OpenMP reads its thread count once, when its library loads."""
        return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}

    def compile(self, program: Program, threads: int) -> Session:
        """Prepare the arm's own form of the module.

        Raises:
            BackendUnavailable: The program is a model file.
        """
        from hwnas.backends.torch_session import TorchSession, require_module

        return TorchSession(require_module(program, self.id), program.inputs, threads)

    def list_kernels(self, program: Program, threads: int) -> tuple[Kernel, ...]:
        """The operators of one inference, seen on tensors without data.

        Raises:
            BackendUnavailable: The program is a model file.
            CellError: The network computes with values, so that its operators are known only when it runs.
        """
        import torch

        from hwnas.backends.torch_convolutions import TorchConvolutions
        from hwnas.backends.torch_listing import listed_operators
        from hwnas.backends.torch_session import require_module

        module = require_module(program, self.id)
        onednn = self.onednn and torch.backends.mkldnn.is_available()
        # Widths of vectors shape copies, not the choice of a kernel.
        convolutions = TorchConvolutions(onednn, True, True, threads, 1, self.dilated_onednn)
        return listed_operators(module, program.inputs, convolutions)
