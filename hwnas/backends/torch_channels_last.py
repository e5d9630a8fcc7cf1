"""PyTorch eager with weights and input in channels-last (NHWC) memory format."""

from __future__ import annotations

import time

from hwnas.backends.protocol import Program, Session
from hwnas.backends.torch_arm import TorchArm


class TorchChannelsLast(TorchArm):
    """PyTorch in the layout that vectorises across channels."""

    id = "torch-channels-last:cpu:fp32"
    description = "PyTorch eager on the CPU, channels-last memory format"

    def compile(self, program: Program, threads: int) -> Session:
        """Move weights and four-dimensional inputs to channels-last.

        Raises:
            BackendUnavailable: The program is a model file.
        """
        import torch

        from hwnas.backends.torch_session import TorchSession, require_module

        start = time.perf_counter()
        # `Module.to` moves four-dimensional weights only, and leaves the others as they are.
        module = require_module(program, self.id).to(memory_format=torch.channels_last)
        inputs = tuple(
            t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in program.inputs
        )
        elapsed = time.perf_counter() - start
        return TorchSession(
            module,
            inputs,
            threads,
            convert_s=elapsed,
            settings={"memory_format": "channels_last"},
            # oneDNN computes in this layout as it is.
            reorders=(False, True),
        )
