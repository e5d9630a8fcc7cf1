"""The operators that eager PyTorch would run, seen on tensors without data."""

from __future__ import annotations

from dataclasses import replace

import torch

from hwnas.backends.torch_convolutions import Convolution, TorchConvolutions
from hwnas.backends.torch_kernels import kernel_of
from hwnas.backends.torch_profile import profiled_operators
from hwnas.core.errors import CellError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.kernel import Kernel


def listed_operators(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], convolutions: TorchConvolutions
) -> tuple[Kernel, ...]:
    """The kernels of one inference, without times; nothing is computed.

    A convolution's implementation is ``onednn:`` or ``aten::native``: more is known only when it runs.

    Args:
        module: In eval mode, on any device; it is not changed.
        inputs: Their shapes, strides and types count.
        convolutions: How the arm runs them.

    Raises:
        CellError: The network computes with values, so that its operators are known only when it runs.
    """
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {
        name: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
        for name, t in state.items()
    }
    given = tuple(torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta") for t in inputs)

    def run() -> None:
        with torch.inference_mode():
            torch.func.functional_call(module, shapes, given)

    try:
        operators, _ = profiled_operators(run)
    except FOREIGN_CODE_ERRORS as error:
        raise CellError(
            f"the network's operators cannot be told without running it: {in_one_line(error)}",
            "Predict it for an OpenVINO backend, or measure it",
        ) from error
    kernels = (kernel_of(place, o, "") for place, o in enumerate(operators))
    return tuple(replace(k, implementation=_implementation(k, convolutions)) for k in kernels)


def _implementation(kernel: Kernel, convolutions: TorchConvolutions) -> str:
    if kernel.type != "conv2d":
        return kernel.name
    shapes = kernel.attributes.get("input_shapes", ())
    if len(shapes) < 2 or "groups" not in kernel.attributes:
        return kernel.name
    c = Convolution(
        input_shape=tuple(shapes[0]),
        weight_shape=tuple(shapes[1]),
        output_shape=(),
        strides=kernel.attributes["stride"],
        paddings=kernel.attributes["padding"],
        dilations=kernel.attributes["dilation"],
        transposed=False,
        groups=kernel.attributes["groups"],
        element_bytes=4,
        source=(),
        kernel=0,
        bias=(),
        written=0,
    )
    return "onednn:" if convolutions.uses_onednn(c) else "aten::native"
