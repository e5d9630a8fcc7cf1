"""The operators that eager PyTorch would run, seen on tensors without data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.utils import backend_registration

from hwnas.backends.torch_convolutions import Convolution, TorchConvolutions
from hwnas.backends.torch_kernels import CONVOLUTIONS, kernel_of
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
        with torch.inference_mode(), _paths_of_the_cpu():
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


@contextmanager
def _paths_of_the_cpu() -> Iterator[None]:
    """Lets tensors without data take the way that they would take on the CPU.

    `nn.MultiheadAttention` and `nn.TransformerEncoderLayer` run as one operator on devices that they know by
    name; one of these names is the one that a third party's device may choose.
    """
    before = backend_registration._privateuse1_backend_name
    backend_registration._privateuse1_backend_name = "meta"
    try:
        yield
    finally:
        backend_registration._privateuse1_backend_name = before


def _implementation(kernel: Kernel, convolutions: TorchConvolutions) -> str:
    shapes, given = kernel.attributes["input_shapes"], kernel.attributes
    if kernel.type not in CONVOLUTIONS or len(shapes) < 2 or "groups" not in given:
        return kernel.name
    image, weight = tuple(shapes[0]), tuple(shapes[1])
    c = Convolution(
        # PyTorch takes an image without its batch as well.
        input_shape=image if len(image) == len(weight) else (1, *image),
        weight_shape=weight,
        output_shape=(),
        strides=given["stride"],
        paddings=given["padding"],
        dilations=given["dilation"],
        transposed=kernel.type.startswith("conv_transpose"),
        groups=given["groups"],
        element_bytes=4,
        source=(),
        kernel=0,
        bias=(),
        written=0,
        output_paddings=given.get("output_padding", ()),
    )
    return "onednn:" if convolutions.uses_onednn(c) else "aten::native"
