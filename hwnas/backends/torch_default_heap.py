"""PyTorch eager in a process whose allocator nobody tuned."""

from hwnas.backends.torch_arm import TorchArm


class TorchDefaultHeap(TorchArm):
    """What a user's own script would see, page faults included; processes of it can differ."""

    id = "torch-default-heap:cpu:fp32"
    description = "PyTorch eager on the CPU, the C library's own heap settings"
    steady_heap = False
