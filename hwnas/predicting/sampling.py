"""Which networks to measure next, so that a predictor learns most."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from hwnas.core.errors import BackendUnavailable, CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.layer_chain import chain_workload
from hwnas.workloads.patterns import PATTERNS, pattern_workload

#: Sizes of a network's stages, for inputs of 224 and 299 or 331 pixels.
_SIZES = ((224, 112, 56, 28, 14, 7), (149, 73, 35, 17, 8), (165, 83, 42, 21, 11))
#: Widest layer that is drawn, and most multiply-adds of one layer and of one network.
_WIDEST = 1536
_LAYER_MACS, _NETWORK_MACS = 1.2e9, 2.5e9
#: Candidates for each network that is chosen.
_CHOICE = 4


def random_workload(rng: np.random.Generator) -> Workload:
    """A network drawn from what convolutional networks are made of.

    Two of three are chains of layers with the sizes of a network's stages, which show many kernels at once; the
    others are stacks of a design pattern.
    """
    return _random_pattern(rng) if rng.random() < 1 / 3 else _random_chain(rng)


def _width(rng: np.random.Generator, widest: int = _WIDEST) -> int:
    """Channels, evenly on a logarithmic scale; most networks take multiples of 8."""
    width = math.exp(rng.uniform(math.log(8), math.log(widest)))
    step = 8 if rng.random() < 0.9 else 1
    return max(step, step * round(width / step))


def _random_pattern(rng: np.random.Generator) -> Workload:
    name = str(rng.choice(sorted(PATTERNS)))
    size = int(rng.choice([112, 56, 28, 14, 7]))
    width = 32 * max(1, round(_width(rng, max(32, 7168 // size)) / 32))
    return pattern_workload(name, depth=int(rng.integers(1, 5)), width=width, resolution=size)


def _random_chain(rng: np.random.Generator) -> Workload:
    sizes = _SIZES[int(rng.choice(len(_SIZES), p=[0.6, 0.2, 0.2]))]
    stage = int(rng.integers(len(sizes)))
    size = sizes[stage]
    first = 3 if stage == 0 else _width(rng)
    channels, parts, macs = first, list[str](), 0.0
    for _ in range(int(rng.integers(6, 15))):
        kind = rng.choice(
            ["pointwise", "spatial", "depthwise", "grouped", "pooling"], p=[0.4, 0.25, 0.2, 0.1, 0.05]
        )
        stride = 2 if size > 7 and rng.random() < 0.12 else 1
        if kind == "pooling":
            parts.append(f"{rng.choice(['m', 'a'])}{rng.choice([2, 3])}s{stride}")
            # A window of two, padded by one, adds a pixel.
            size = _after(size, int(parts[-1][1]), stride, 1)
            continue
        out, window, groups, dilation = _layer(rng, str(kind), channels)
        cost = out * (channels // groups) * window**2 * (size / stride) ** 2
        if cost > _LAYER_MACS:
            continue
        macs += cost
        if macs > _NETWORK_MACS:
            break
        text = f"c{out}k{window}"
        text += f"s{stride}" if stride > 1 else ""
        text += f"d{dilation}" if dilation > 1 else ""
        text += f"g{groups}" if groups > 1 else ""
        norm = ",n" if rng.random() < 0.95 else ""
        activation = f",{rng.choice(['r', '6', 'h', 's', 'g'], p=[0.5, 0.15, 0.1, 0.15, 0.1])}"
        parts.append(text + norm + (activation if rng.random() < 0.75 else ""))
        if stride == 1 and out == channels and rng.random() < 0.5:
            parts.append("+")
        channels, size = out, _after(size, window, stride, dilation)
        if size < 2:
            break
    parts += ["p", f"l{rng.choice([10, 1000])}"] if rng.random() < 0.3 or not parts else []
    return chain_workload("|".join(parts), first, sizes[stage])


def _layer(rng: np.random.Generator, kind: str, channels: int) -> tuple[int, int, int, int]:
    """Channels behind a convolution, its window, groups and dilation."""
    if kind == "pointwise":
        return _width(rng), 1, 1, 1
    window = int(rng.choice([3, 5, 7], p=[0.7, 0.2, 0.1]))
    dilation = 2 if rng.random() < 0.08 else 1
    if kind == "depthwise":
        return channels, window, channels, dilation
    if kind == "grouped":
        dividing = [g for g in (2, 4, 8, 16, 32, 64) if channels % g == 0]
        groups = int(rng.choice(dividing)) if dividing else 1
        out = channels if rng.random() < 0.7 else groups * max(1, _width(rng) // groups)
        return out, 3, groups, dilation
    return _width(rng), window, 1, dilation


def _after(size: int, window: int, stride: int, dilation: int) -> int:
    """Height behind a layer that is padded by half its window."""
    return (size + 2 * dilation * (window // 2) - dilation * (window - 1) - 1) // stride + 1


def informative(
    predictors: Sequence[LatencyPredictor],
    rng: np.random.Generator,
    count: int,
    draw: Callable[[np.random.Generator], Workload] = random_workload,
    known: Collection[str] = (),
) -> list[Workload]:
    """The candidates of whose latency the predictors know least; any, without predictors.

    Args:
        predictors: One a backend, or none.
        rng: Source of the candidates.
        count: How many are wanted.
        draw: Draws a candidate.
        known: Keys of workloads that are no candidates.

    Raises:
        BackendUnavailable: A backend cannot list kernels here.
    """
    drawn = {w.key: w for w in (draw(rng) for _ in range(_CHOICE * count))}
    candidates = [w for key, w in drawn.items() if key not in known]
    if not predictors:
        return candidates[:count]

    def doubt(workload: Workload) -> float:
        worst = 0.0
        for predictor in predictors:
            try:
                found = predictor.predict(workload)
            except BackendUnavailable:
                raise
            except (CellError, UsageError):
                # What cannot be predicted is what has to be measured.
                return math.inf
            worst = max(worst, math.log(found.high_s / found.low_s))
        return worst

    doubts = {w.key: doubt(w) for w in candidates}
    return sorted(candidates, key=lambda w: -doubts[w.key])[:count]
