"""Operators that another one's kernel does the work of."""

import pytest
import torch

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.cache_misses.fused_operators import fused_shares
from hwnas.core.kernel import Kernel


def _kernel(type_: str, name: str, *fused: str) -> Kernel:
    return Kernel(0, name, type_, "", "f32", fused=fused)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        # The multiplication is the batch normalisation's scale, folded into the weights: the kernel itself.
        (
            [
                _kernel(
                    "Convolution",
                    "Multiply_7",
                    "Multiply_7",
                    "bn/aten._native_batch_norm_legit_no_training.default/BatchNormInference",
                    "relu/aten.relu.default/Relu",
                ),
                # A bias is no operator of its own.
                _kernel(
                    "Convolution",
                    "c/aten.convolution.default/Convolution",
                    "c/aten.convolution.default/Convolution",
                    "c/aten.convolution.default/Add",
                ),
                _kernel("Eltwise", "add", "add/aten.add.Tensor/Add"),
            ],
            {"normalisation": 1.0, "activation": 1.0},
        ),
        # ONNX names; one of two activations keeps its kernel.
        (
            [
                _kernel("Convolution", "/conv1/Conv", "/conv1/Conv", "/relu/Relu_12"),
                _kernel("Relu", "/Relu", "/Relu"),
            ],
            {"activation": 0.5},
        ),
        # Two additions in one generated kernel: one of them is it.
        ([_kernel("Subgraph", "a", "a/aten.add.Tensor/Add", "b/aten.add.Tensor/Add")], {"elementwise": 0.5}),
        # A runtime that tells no source operators fuses nothing that one could count.
        ([_kernel("convolution", "convolution"), _kernel("relu_", "relu_")], {}),
    ],
)
def test_what_has_no_kernel_of_its_own(kernels: list[Kernel], expected: dict[str, float]) -> None:
    assert fused_shares(kernels) == expected


class _Residual(torch.nn.Module):
    """A convolution with normalisation and activation, and a sum with its input."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(8, 8, 3, padding=1, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU()
        )
        self.last = torch.nn.Conv2d(8, 8, 1)
        # A shift of zero would leave no trace in the compiled network.
        self.body[1].running_mean.fill_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.body(x)) + x


def test_openvino_says_what_it_fused() -> None:
    torch.manual_seed(0)
    program = Program((torch.randn(1, 8, 16, 16),), _Residual().eval())
    openvino = backend("openvino:cpu:fp32").compile(program, 1)
    shares = fused_shares(openvino.kernels())
    assert shares == {"normalisation": 1.0, "activation": 1.0, "elementwise": 1.0}
