"""Random weights under which every layer matters to the output.

With PyTorch's default initialisation a deep stack outputs little but its last bias, and equal
outputs of two runtimes prove nothing. Batch normalisation set to its layer's own statistics keeps
the variance, but brings another trap: subtracting the mean that a ReLU adds makes a plain stack
chaotic. Each convolution, normalisation and ReLU multiplies the relative size of a rounding error
by sqrt(pi / (pi - 1)) = 1.21 (Source: Yang et al. 2019, "A Mean Field Theory of Batch
Normalization", arXiv:1902.08129), so that 100 layers amplify it by 10^8 and single precision
disagrees with double by 100 %. Shifting what enters the ReLU by b standard deviations clips less
of it and lowers the factor: 1.06 at b = 1, 1.009 at b = 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

#: Shift before each activation of a plain stack, in standard deviations.
STACK_SHIFT = 2.0
#: The same for networks whose shortcuts tame the chaos; more would hide the input behind a mean.
NETWORK_SHIFT = 0.5

#: Standard deviation of biases that were zero.
_BIAS = 0.02

#: A constant vector with values below this scales a residual branch that training would wake up.
_LAYER_SCALE = 0.1


def initialise_stack(layers: nn.Sequential, source: torch.Generator) -> None:
    """Initialise a plain stack of convolution, batch normalisation and activation layers.

    Convolutions are He-normal. Source: He et al. 2015, arXiv:1502.01852.

    The last normalisation is not shifted: a mean in the output would make the relative
    error of a runtime look smaller than it is.

    Args:
        layers: In order of execution, memory allocated, values arbitrary.
        source: The generator of all values.
    """
    modules = list(layers)
    norms = [i for i, module in enumerate(modules) if isinstance(module, nn.BatchNorm2d)]
    for index, module in enumerate(modules):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=source)
        elif isinstance(module, nn.BatchNorm2d):
            activated = index + 1 < len(modules) and not isinstance(modules[index + 1], nn.Conv2d)
            module.reset_parameters()
            if activated and index != norms[-1]:
                nn.init.constant_(module.bias, STACK_SHIFT)


def wake_up(module: nn.Module, source: torch.Generator) -> None:
    """Undo initialisations that silence part of an untrained network.

    All-zero weight matrices (the head of a vision transformer) become He-normal, and constant
    small vectors (the layer scale of ConvNeXt, 1e-6) become ones. All-zero biases of convolutions and linear
    layers become small: a compiler leaves out what adds zero, and no trained network does.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim >= 2 and parameter.numel() and not parameter.any():
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=source)
            elif parameter.numel() and _is_layer_scale(parameter):
                parameter.fill_(1.0)
        for layer in module.modules():
            bias = getattr(layer, "bias", None)
            if isinstance(layer, (_ConvNd, nn.Linear)) and bias is not None and bias.numel() and not bias.any():
                bias.normal_(0.0, _BIAS, generator=source)


def _is_layer_scale(parameter: torch.Tensor) -> bool:
    first = parameter.flatten()[0]
    return 0 < abs(float(first)) <= _LAYER_SCALE and bool((parameter == first).all())


def untrained_norms(module: nn.Module) -> list[_BatchNorm]:
    """Batch normalisations that have never seen data: running mean 0 and variance 1 everywhere.

    Those of a trained network keep their statistics.
    """
    return [
        norm
        for norm in module.modules()
        if isinstance(norm, _BatchNorm)
        # It refuses to run in training mode on a CPU.
        and not isinstance(norm, nn.SyncBatchNorm)
        and norm.running_mean is not None
        and norm.running_var is not None
        and not norm.running_mean.any()
        and bool((norm.running_var == 1).all())
    ]


def shift_norms(norms: Iterable[_BatchNorm]) -> None:
    """Give untrained normalisations of a network scale 1 and shift :data:`NETWORK_SHIFT`.

    Only all-zero scales and shifts are replaced: others were chosen by the network's author.
    """
    for norm in norms:
        if norm.affine:
            if not norm.weight.any():
                nn.init.ones_(norm.weight)
            if not norm.bias.any():
                nn.init.constant_(norm.bias, NETWORK_SHIFT)


@contextmanager
def calibration(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Inside the block, one forward pass sets running statistics to those of its own activations.

    Everything else stays in eval mode, so dropout and stochastic depth do nothing.
    """
    states = [(norm, norm.training, norm.momentum) for norm in norms]
    for norm, _, _ in states:
        norm.train()
        norm.momentum = 1.0
    try:
        yield
    finally:
        for norm, training, momentum in states:
            norm.train(training)
            norm.momentum = momentum
