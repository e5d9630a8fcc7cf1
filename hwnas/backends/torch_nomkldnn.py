"""PyTorch eager with oneDNN switched off: torch's own kernels only."""

from __future__ import annotations

from hwnas.backends.protocol import Program, Session
from hwnas.backends.torch_arm import TorchArm


class TorchNoMkldnn(TorchArm):
    """PyTorch without oneDNN, close to how older releases ran dilated convolutions."""

    id = "torch-nomkldnn:cpu:fp32"
    description = "PyTorch eager on the CPU, oneDNN off"
    onednn = False

    def compile(self, program: Program, threads: int) -> Session:
        """Switch oneDNN off for the whole process, which is this arm's alone.

        Raises:
            BackendUnavailable: The program is a model file.
        """
        import torch

        torch.backends.mkldnn.set_flags(_enabled=False)
        return super().compile(program, threads)
