"""Digests that tell whether two torch networks are the same."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from hwnas.workloads.structure import structure_text

_DIGITS = 16


def network_digest(module: nn.Module, *, weights: bool = False) -> str:
    """16 hexadecimal digits over what a network computes.

    Covers what :func:`hwnas.workloads.structure.structure_digest` covers (classes with their sources,
    attributes, names, shapes and types of tensors), and nothing that another process would tell otherwise.

    Args:
        module: The network.
        weights: Cover the values of parameters and buffers too.
    """
    digest = hashlib.sha256(structure_text(module, anonymous=True).encode())
    if weights:
        for name, tensor in sorted(module.state_dict().items()):
            if not isinstance(tensor, torch.Tensor):
                continue  # extra state, which a module may add in any form
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:_DIGITS]
