"""A MobileNetV2 in small, trained on digits in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from hwnas.workloads.spaces.layers import convolution, head
from hwnas.workloads.spaces.mbconv_block import InvertedResidual

IMAGES = torch.zeros(1, 1, 8, 8)


def mobile_network(seed: int = 0) -> nn.Sequential:
    """Depthwise convolutions, a residual and squeeze-and-excitation; untrained, in eval mode."""
    torch.manual_seed(seed)
    return nn.Sequential(
        convolution(1, 16, 3, activation="relu6"),
        InvertedResidual(16, 24, 3, 2, 3, squeeze=False),
        InvertedResidual(24, 24, 3, 1, 3, squeeze=True),
        InvertedResidual(24, 32, 3, 2, 3, squeeze=False),
        head(32, 64, 10, activation="relu6"),
    ).eval()


def _pixels() -> dict[str, int]:
    """Of what each convolution and linear layer of the network writes; pruning leaves them as they are."""
    network, found = mobile_network(), {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(
                lambda _, x, y, name=name: found.update({name: y[0].numel() // y.shape[1]})
            )
    network(IMAGES)
    return found


PIXELS = _pixels()


def macs_as_latency_s(network: nn.Module) -> float:
    """A runtime that does a multiply-add in a nanosecond, and nothing else."""
    return 1e-9 * sum(network.get_submodule(n).weight.numel() * count for n, count in PIXELS.items())


@dataclass
class Digits:
    """Scikit-learn's digits, and how a network learns them.

    Args:
        batch: Images of an optimizer step.
        calls: Steps that every call of :meth:`fine_tune` was asked for.
    """

    batch: int = 32
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        pixels, labels = load_digits(return_X_y=True)
        self._x = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        self._y = torch.tensor(labels)

    def fine_tune(self, network: nn.Module, steps: int) -> float:
        """Train on the first 1200 images, and tell the accuracy on the others."""
        self.calls.append(steps)
        optimizer = torch.optim.Adam(network.parameters(), 5e-3)
        network.train()
        for _ in range(steps):
            places = torch.randint(1200, (self.batch,))
            optimizer.zero_grad()
            functional.cross_entropy(network(self._x[places]), self._y[places]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            return float((network(self._x[1200:]).argmax(1) == self._y[1200:]).float().mean())
