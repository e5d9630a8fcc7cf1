"""PyTorch eager with dilated convolutions outside oneDNN, as the PyTorch of the study ran them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hwnas.backends.protocol import Program, Session
from hwnas.backends.torch_arm import TorchArm

if TYPE_CHECKING:
    import torch


class TorchSlowDilated(TorchArm):
    """PyTorch as it ships, but for its dilated convolutions.

    The study reports that its PyTorch gave oneDNN non-dilated convolutions only (section 2.3). The others
    ran on PyTorch's own ``slow_conv_dilated2d``, which takes a depthwise one channel by channel.
    """

    id = "torch-slow-dilated:cpu:fp32"
    description = "PyTorch eager on the CPU, dilated convolutions without oneDNN"
    dilated_onednn = False

    def compile(self, program: Program, threads: int) -> Session:
        """Wrap every dilated `nn.Conv2d`; convolutions that are called as functions stay as they are.

        Raises:
            BackendUnavailable: The program is a model file.
        """
        from hwnas.backends.torch_session import TorchSession, require_module

        module = _on_the_same_weights(require_module(program, self.id))
        dilated = _dilated_convolutions(module)
        for convolution in dilated:
            convolution.forward = _without_onednn(convolution.forward)  # type: ignore[method-assign]
        return TorchSession(
            module,
            program.inputs,
            threads,
            settings={"convolutions_without_onednn": len(dilated)},
            dilated_onednn=False,
        )


def _on_the_same_weights(module: torch.nn.Module) -> torch.nn.Module:
    """A copy whose layers can be changed, while the given module stays as it is."""
    shared = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return copy.deepcopy(module, shared)


def _dilated_convolutions(module: torch.nn.Module) -> list[torch.nn.Conv2d]:
    import torch

    return [m for m in module.modules() if isinstance(m, torch.nn.Conv2d) and any(d > 1 for d in m.dilation)]


def _without_onednn(forward: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    # `mkldnn.flags` would set TF32 too, and warns where no GPU has it.
    switch: Any = torch.backends.mkldnn

    def call(*args: Any, **kwargs: Any) -> Any:
        before = switch.enabled
        switch.enabled = False
        try:
            return forward(*args, **kwargs)
        finally:
            switch.enabled = before

    return call
