"""Channels pruned until a predicted latency is reached, those first that buy most time for least weight.

hwnas measure width && hwnas fit        # once: a predictor of this host
python examples/prune_channels.py --target 0.6
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import nn

from hwnas import HwnasError, LatencyPredictor, host_predictor

SIZE, STEP = 32, 16


class Plain(nn.Sequential):
    """Convolutions of the given widths, from the second on with stride 2; a global pooling and a classifier."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        for before, width in zip((1, *widths), widths, strict=False):
            stride = 1 if not layers else 2
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))
        self.widths = widths

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """In their order."""
        return [m for m in self if isinstance(m, nn.Conv2d)]


def without(network: Plain, layer: int, count: int) -> Plain:
    """A copy whose convolution `layer` has lost the `count` channels of least weight (L1 norm)."""
    norms = network.convolutions[layer].weight.detach().abs().sum(dim=(1, 2, 3))
    kept = norms.argsort(descending=True)[: len(norms) - count].sort().values
    widths = tuple(len(kept) if place == layer else width for place, width in enumerate(network.widths))
    pruned = Plain(widths)
    with torch.no_grad():
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        own, norm, following = 3 * layer, 3 * layer + 1, 3 * (layer + 1)
        state[f"{own}.weight"] = state[f"{own}.weight"][kept]
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = state[f"{norm}.{part}"][kept]
        last = layer == len(widths) - 1
        inner = f"{following + 2}.weight" if last else f"{following}.weight"
        state[inner] = state[inner][:, kept]
        pruned.load_state_dict(state)
    return pruned


@dataclass(frozen=True)
class Pruned:
    """What pruning gave.

    Args:
        network: The smaller network.
        before_s: Predicted latency of the one that it began with [s].
        after_s: Its own [s].
        accuracies: On the test images: before, right after pruning, and after some more training.
    """

    network: Plain
    before_s: float
    after_s: float
    accuracies: tuple[float, float, float]


def prune(predictor: LatencyPredictor, network: Plain, target_s: float) -> Plain:
    """Take away groups of channels until the predicted latency is within the target, or no more can go."""

    def latency_s(candidate: Plain) -> float:
        return predictor.predict(candidate.eval(), torch.zeros(1, 1, SIZE, SIZE)).latency_s

    now = latency_s(network)
    while now > target_s:
        choices = []
        for layer, width in enumerate(network.widths):
            if width > STEP:
                candidate = without(network, layer, STEP)
                norms = network.convolutions[layer].weight.detach().abs().sum(dim=(1, 2, 3))
                lost = float(norms.sort().values[:STEP].sum() / norms.sum())
                after = latency_s(candidate)
                choices.append(((now - after) / max(lost, 1e-9), after, candidate))
        faster = [c for c in choices if c[1] < now]
        if not faster:
            return network
        _, now, network = max(faster, key=lambda c: c[0])
    return network


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scikit-learn's digits at 32 x 32: images and labels for training, and for the test."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    x = nn.functional.interpolate(x, size=SIZE, mode="bilinear")
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:1200], order[1200:]
    return x[train], y[train], x[test], y[test]


def train(network: Plain, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """Plain training with Adam."""
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    network.train()
    shuffling = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=shuffling).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            optimiser.step()


@torch.no_grad()
def accuracy(network: Plain, x: torch.Tensor, y: torch.Tensor) -> float:
    """Share of right answers."""
    return float((network.eval()(x).argmax(1) == y).float().mean())


def run(
    predictor: LatencyPredictor, target: float, widths: tuple[int, ...] = (32, 64, 64), epochs: int = 5
) -> Pruned:
    """Train, prune to `target` times the predicted latency, and train on."""
    torch.manual_seed(0)
    x, y, x_test, y_test = digits()
    network = Plain(widths)
    train(network, x, y, epochs)
    first = accuracy(network, x_test, y_test)
    shape = torch.zeros(1, 1, SIZE, SIZE)
    before_s = predictor.predict(network.eval(), shape).latency_s
    small = prune(predictor, network, target * before_s)
    middle = accuracy(small, x_test, y_test)
    train(small, x, y, epochs)
    after_s = predictor.predict(small.eval(), shape).latency_s
    return Pruned(small, before_s, after_s, (first, middle, accuracy(small, x_test, y_test)))


def main() -> None:
    """Print what pruning gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="openvino:cpu:fp32", help="where there is no --predictor")
    parser.add_argument("--predictor", help="folder of a predictor; by default this host's, else a shipped one")
    parser.add_argument("--target", type=float, default=0.6, help="share of the first latency that may be left")
    options = parser.parse_args()
    if options.predictor:
        predictor = LatencyPredictor.load(options.predictor, any_host=True)
    else:
        predictor = host_predictor(options.backend)
    if predictor.elsewhere:
        print(f"These are latencies of another host: the predictor was {predictor.elsewhere}")
    # Layers as small as these gain nothing from threads, and on a busy host threads wait for each other.
    torch.set_num_threads(1)
    found = run(predictor, options.target)
    print(f"widths {found.network.widths}")
    print(f"predicted {1e3 * found.before_s:.3f} ms, then {1e3 * found.after_s:.3f} ms")
    if found.after_s > options.target * found.before_s:
        print(f"that is as far as it goes: {options.target:g} of the first latency is out of reach")
    print("accuracy {:.3f}, pruned {:.3f}, trained on {:.3f}".format(*found.accuracies))


if __name__ == "__main__":
    try:
        main()
    except HwnasError as error:
        raise SystemExit(str(error)) from None
