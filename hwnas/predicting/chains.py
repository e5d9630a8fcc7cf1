"""Random chains of layers like those of known networks: each shows many kernels at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwnas.core.workload import Workload
from hwnas.predicting.known_layers import KnownLayer, known_layers
from hwnas.predicting.rare_steps import Place, with_rare_steps
from hwnas.workloads.layer_chain import chain_workload

#: Widest layer that is drawn, and most multiply-adds of one layer and of one network: those of VGG have 1.85e9.
_WIDEST = 2112
_LAYER_MACS, _NETWORK_MACS = 2e9, 4e9
#: Largest linear layer of a usual chain [weights]; few chains have one like VGG's, which has 103 million.
_LINEAR_WEIGHTS = 30e6
#: How far a known layer may be from where the chain stands, in logarithms of its channels and its size.
_NEAR = np.array([0.4, 0.25])
#: Share of the layers that keep the known layer's channels.
_KEPT = 0.5
_SMALLEST_SIZE = 4


def random_width(rng: np.random.Generator, widest: int = _WIDEST) -> int:
    """Channels, evenly on a logarithmic scale; most networks take multiples of 8."""
    return _rounded(rng, math.exp(rng.uniform(math.log(8), math.log(widest))))


def random_chain(rng: np.random.Generator) -> Workload:
    """A chain whose every layer is drawn from the known ones that fit where the chain stands.

    Their channels vary, so that what lies between the known layers is learned too. Some have a step that few
    networks have (:mod:`hwnas.predicting.rare_steps`).
    """
    chain = _Chain(rng, known_layers())
    for _ in range(int(rng.integers(8, 21))):
        chain.grow()
    return chain.workload()


def _rounded(rng: np.random.Generator, width: float) -> int:
    step = 8 if rng.random() < 0.9 else 1
    return max(step, step * round(min(width, _WIDEST) / step))


class _Chain:
    """A chain that grows.

    Args:
        rng: Source of its layers.
        known: What they are drawn from.
    """

    def __init__(self, rng: np.random.Generator, known: Sequence[KnownLayer]) -> None:
        # Layers on one pixel are those of squeeze-and-excitation, which chains have as a whole.
        known = [k for k in known if k.size >= _SMALLEST_SIZE]
        self._known = known
        self._places = np.log([[k.channels_in, k.size] for k in known])
        self._rng = rng
        first = known[int(rng.integers(len(known)))]
        self._first = self._channels = first.channels_in
        self._start = self._size = first.size
        self._macs = 0.0
        self._parts: list[str] = []
        self._between: list[Place] = []

    def grow(self) -> None:
        """Append a convolution with what follows it, or now and then a pooling."""
        before = len(self._parts)
        self._grow()
        if len(self._parts) > before:
            self._between.append(Place(len(self._parts), self._channels, self._size))

    def _grow(self) -> None:
        if self._rng.random() < 0.04 and self._size > _SMALLEST_SIZE:
            self._pool()
            return
        layer = self._near()
        stride = layer.stride if self._size > 2 * _SMALLEST_SIZE else 1
        out, groups = self._channels_and_groups(layer)
        size = self._after(max(layer.window), stride, layer.dilation)
        macs = out * (self._channels // groups) * math.prod(layer.window) * size**2
        if size < _SMALLEST_SIZE or macs > _LAYER_MACS or self._macs + macs > _NETWORK_MACS:
            return
        self._macs += macs
        self._parts.append(self._text(layer, out, stride, groups))
        kept = stride == 1 and size == self._size
        before, self._channels, self._size = self._channels, out, size
        if kept:
            self._join(before)

    def workload(self) -> Workload:
        """What has grown, with a classifier behind some."""
        parts = list(self._parts)
        if not parts or self._rng.random() < 0.3:
            parts += self._classifier()
        return chain_workload("|".join(with_rare_steps(parts, self._between)), self._first, self._start)

    def _near(self) -> KnownLayer:
        here = np.log([self._channels, self._size])
        distance = (np.abs(self._places - here) / _NEAR).sum(axis=1)
        # Beyond every known layer all are far: the nearest are as likely as ever.
        weights = np.exp(-(distance - distance.min()))
        return self._known[int(self._rng.choice(len(weights), p=weights / weights.sum()))]

    def _channels_and_groups(self, layer: KnownLayer) -> tuple[int, int]:
        if layer.depthwise:
            return self._channels, self._channels
        out = layer.channels_out
        if self._rng.random() >= _KEPT:
            out = _rounded(self._rng, out * math.exp(self._rng.normal(0.0, 0.35)))
        if layer.groups == 1:
            return out, 1
        # Groups keep their own width as far as they divide the channels.
        wanted = max(2, round(self._channels * layer.groups / layer.channels_in))
        dividing = [g for g in range(2, 129) if self._channels % g == 0]
        groups = min(dividing, key=lambda g: abs(g - wanted), default=1)
        return groups * max(1, round(out / groups)), groups

    def _text(self, layer: KnownLayer, out: int, stride: int, groups: int) -> str:
        height, width = layer.window
        text = f"c{out}k{height}" + (f"x{width}" if width != height else "")
        text += f"s{stride}" if stride > 1 else ""
        text += f"d{layer.dilation}" if layer.dilation > 1 else ""
        text += f"g{groups}" if groups > 1 else ""
        if self._rng.random() < 0.08:
            # Normalised before, as in DenseNet.
            return f"n,r,{text}"
        text += ",n" if self._rng.random() < 0.92 else "b"
        if self._rng.random() < 0.75:
            text += f",{self._rng.choice(['r', '6', 'h', 's', 'g'], p=[0.55, 0.15, 0.1, 0.15, 0.05])}"
        if layer.depthwise and self._rng.random() < 0.25:
            text += f",e{max(8, out // int(self._rng.choice([4, 16, 24])))}"
        if groups > 1 and not layer.depthwise and self._rng.random() < 0.3:
            text += f",x{groups}"
        return text

    def _join(self, before: int) -> None:
        """Now and then a shortcut around the step, a concatenation, or ConvNeXt's perceptron behind it."""
        chance = self._rng.random()
        if before == self._channels and chance < 0.45:
            self._parts.append("+")
            if chance < 0.2:
                self._parts.append("r")
        elif chance > 0.92 and before + self._channels <= _WIDEST:
            self._parts.append("&")
            self._channels += before
        elif chance > 0.86 and 16 * self._channels**2 * self._size**2 < _LAYER_MACS:
            self._parts.append("y4")
            self._macs += 8 * self._channels**2 * self._size**2

    def _pool(self) -> None:
        stride = int(self._rng.choice([1, 2]))
        window = int(self._rng.choice([2, 3]))
        self._parts.append(f"{self._rng.choice(['m', 'a'])}{window}s{stride}")
        self._size = self._after(window, stride, 1)

    def _classifier(self) -> list[str]:
        flattened = [f"p{side}" for side in (7, 6) if self._channels * side**2 * 1024 < _LINEAR_WEIGHTS]
        if flattened and self._rng.random() < 0.3:
            side = str(self._rng.choice(flattened))
            width = int(_LINEAR_WEIGHTS / (self._channels * int(side[1:]) ** 2)) // 64 * 64
            return [side, f"l{min(4096, width)},r", "l1000"]
        return ["p", f"l{self._rng.choice([10, 100, 1000])}"]

    def _after(self, window: int, stride: int, dilation: int) -> int:
        """Height behind a layer that is padded by half its window."""
        return (self._size + 2 * dilation * (window // 2) - dilation * (window - 1) - 1) // stride + 1
