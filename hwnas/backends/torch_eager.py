"""PyTorch as it ships: eager, with oneDNN where torch chooses it."""

from hwnas.backends.torch_arm import TorchArm


class TorchEager(TorchArm):
    """Native PyTorch, the baseline of the study."""

    id = "torch:cpu:fp32"
    description = "PyTorch eager on the CPU, oneDNN as shipped"
