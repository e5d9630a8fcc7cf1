"""Layers with other numbers of channels than they were built with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from hwnas.core.errors import UsageError


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of parameters and buffers by their names in the state dictionary."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def replace_tensors(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put other tensors in the place of parameters and buffers, and tell the layers their new sizes.

    A depthwise convolution stays one; other grouped convolutions keep their number of groups.

    Args:
        network: Changed in place. A parameter of two names gets both or neither.
        tensors: By their names in the state dictionary; of any shape that suits the layers. What is a parameter
            stays one, and learns if it did.
    """
    for prefix, layer in network.named_modules():
        start = f"{prefix}." if prefix else ""
        changed = False
        for name, parameter in list(layer.named_parameters(recurse=False)):
            found = tensors.get(start + name)
            if found is not None:
                setattr(layer, name, nn.Parameter(found.detach(), requires_grad=parameter.requires_grad))
                changed = True
        for name, _ in list(layer.named_buffers(recurse=False)):
            found = tensors.get(start + name)
            if found is not None:
                setattr(layer, name, found.detach())
                changed = True
        if changed:
            _tell_sizes(layer)


def resize(network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give parameters and buffers other shapes; their values are arbitrary until weights are loaded.

    Args:
        network: Changed in place.
        shapes: By names in the state dictionary, as :func:`shapes_of` tells them.

    Raises:
        UsageError: A tensor has another number of dimensions.
    """
    state = network.state_dict()
    other: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        shape = shapes.get(name, tuple(tensor.shape))
        if len(shape) != tensor.ndim:
            raise UsageError(
                f"the tensor {name} has {tensor.ndim} dimensions, not {len(shape)}", "Build the right network"
            )
        if shape != tuple(tensor.shape):
            other[name] = torch.zeros(shape, dtype=tensor.dtype, device=tensor.device)
    replace_tensors(network, other)


def _tell_sizes(layer: nn.Module) -> None:
    if isinstance(layer, _ConvNd) and not layer.transposed:
        out_channels, inner = layer.weight.shape[:2]
        if layer.groups > 1 and layer.groups == layer.in_channels:
            layer.groups = out_channels * layer.in_channels // layer.out_channels
        layer.in_channels, layer.out_channels = inner * layer.groups, out_channels
    elif isinstance(layer, _BatchNorm):
        tensor = layer.running_mean if layer.weight is None else layer.weight
        if tensor is not None:
            layer.num_features = len(tensor)
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
