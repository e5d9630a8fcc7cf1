"""The layouts in which oneDNN computes a float32 convolution whose tensors come in PyTorch's own."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

_AVX512_FLOATS, _AVX2_FLOATS = 16, 8
#: Channels of a group come in blocks of at least this many: AVX-512 kernels can use shorter registers.
_SMALLEST_BLOCK = {_AVX512_FLOATS: 4, _AVX2_FLOATS: 8}


@dataclass(frozen=True)
class BlockedLayout:
    """What is copied into blocks of channels, the last block filled up with zeros.

    Args:
        input_channels: Of the copy of the input; None where it is read as it lies.
        weight_shape: Of the copy of the weights; None where they are read as they lie.
        output_channels: Of the result, which is copied to PyTorch's layout in any case.
    """

    input_channels: int | None
    weight_shape: tuple[int, ...] | None
    output_channels: int


def blocked_layout(
    in_channels: int, weight_shape: tuple[int, ...], groups: int, vector_floats: int
) -> BlockedLayout:
    """oneDNN's choice for a convolution forward on x86-64.

    Source: oneDNN 3's verbose log of the convolutions in tests/backends/test_onednn_layouts.py, with AVX2
    and with AVX-512.

    Args:
        in_channels: Of the input.
        weight_shape: ``(out, in / groups, *kernel)``.
        groups: Number of groups.
        vector_floats: Of one register, see :func:`vector_floats`.
    """
    out, group_in, *kernel = weight_shape

    def filled(channels: int) -> int:
        return math.ceil(channels / vector_floats) * vector_floats

    if groups > 1 and group_in == 1 and out == groups:
        return BlockedLayout(filled(in_channels), (filled(out), 1, *kernel), filled(out))
    if groups > 1:
        block = _SMALLEST_BLOCK[vector_floats]
        if group_in % block or out // groups % block:
            # The kernel of last resort, a matrix product of columns.
            return BlockedLayout(None, None, out)
        return BlockedLayout(in_channels, weight_shape, out)
    if in_channels < vector_floats and math.prod(kernel) > 1:
        # As in the first layer of a network.
        return BlockedLayout(None, (filled(out), in_channels, *kernel), filled(out))
    return BlockedLayout(filled(in_channels), (filled(out), filled(in_channels), *kernel), filled(out))


def vector_floats(cpu_capability: str) -> int:
    """Floats of one register of the kernels that oneDNN picks.

    Args:
        cpu_capability: As ``torch.backends.cpu.get_cpu_capability()`` says it.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or cpu_capability
    wide = limit.upper() in ("ALL", "DEFAULT") or "AVX512" in limit.upper() or "AVX10" in limit.upper()
    return _AVX512_FLOATS if wide and "AVX512" in cpu_capability else _AVX2_FLOATS
