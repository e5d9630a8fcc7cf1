"""Expected latency as a term of the loss: as its weight grows, the operators that are chosen get faster.

python examples/latency_loss.py --weights 0 0.3 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from hwnas import HwnasError, LatencyPredictor, host_predictor
from hwnas.core.workload import Scalar
from hwnas.predicting.latency_table import LatencyTable
from hwnas.workloads.spaces.space import Part, Space
from hwnas.workloads.spaces.space_file import load_space

SPACE = Path(__file__).with_suffix(".yaml")


class Mixture(nn.Module):
    """A part of the network in all its forms, each weighted with the probability of its options."""

    def __init__(self, space: Space, part: Part) -> None:
        super().__init__()
        self.choices = part.choices
        forms = [space.part_module(part, options) for options in space.combinations(part)]
        # Where nothing runs, what it reads goes on.
        self.forms = nn.ModuleList(nn.Identity() if form is None else form.module for form in forms)

    def forward(self, x: Tensor, probabilities: Mapping[str, Tensor]) -> Tensor:
        """What the part gives, in the mean over its forms."""
        weights = torch.ones(1)
        for choice in self.choices:
            weights = torch.outer(weights, probabilities[choice]).flatten()
        return torch.stack([weight * form(x) for weight, form in zip(weights, self.forms, strict=True)]).sum(0)


class Supernet(nn.Module):
    """Every network of a space at once, and how much it likes each option."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.names = [choice.name for choice in space.choices]
        self.logits = nn.ParameterList(torch.zeros(len(choice.options)) for choice in space.choices)
        self.parts = nn.ModuleList(Mixture(space, part) for part in space.parts())

    def probabilities(self) -> dict[str, Tensor]:
        """Of each option of each choice."""
        return {name: values.softmax(0) for name, values in zip(self.names, self.logits, strict=True)}

    def forward(self, images: Tensor, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Scores, shape ``(n, classes)``."""
        for part in self.parts:
            images = part(images, probabilities)
        return images


@dataclass(frozen=True)
class Found:
    """What one weight of the latency gave.

    Args:
        weight: Of the latency in the loss.
        architecture: The likeliest option of each choice.
        latency_s: Its latency, as the table tells it [s].
        expected_s: The expected latency at the end of the training [s].
        accuracy: Of that network, trained by itself, on test images.
    """

    weight: float
    architecture: dict[str, Scalar]
    latency_s: float
    expected_s: float
    accuracy: float


def digits(size: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scikit-learn's digits at a size, with labels: `count` to train with, and the rest for the test."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    x = nn.functional.interpolate(x, size=size, mode="bilinear")
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:count], order[count:]
    return x[train], y[train], x[test], y[test]


def search(
    space: Space, table: LatencyTable, weight: float, x: Tensor, y: Tensor, epochs: int
) -> tuple[dict[str, Scalar], float]:
    """Train weights and choices together; returns the likeliest architecture and the expected latency [s]."""
    torch.manual_seed(0)
    network = Supernet(space)
    choosing = {id(values) for values in network.logits}
    optimizer = torch.optim.Adam(
        [
            {"params": [p for p in network.parameters() if id(p) not in choosing], "lr": 5e-3},
            {"params": list(network.logits), "lr": 5e-2},
        ]
    )
    # What can be saved at all, so that weights mean the same on every host.
    fastest_s, slowest_s = table.fastest()[1], table.slowest()[1]
    shuffling = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=shuffling).split(64):
            probabilities = network.probabilities()
            latency_s = table.expected(probabilities)
            loss = nn.functional.cross_entropy(network(x[part], probabilities), y[part])
            loss = loss + weight * (latency_s - fastest_s) / (slowest_s - fastest_s)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    probabilities = network.probabilities()
    likeliest = {name: table.choices[name][int(p.argmax())] for name, p in probabilities.items()}
    return space.canonical(likeliest), float(table.expected(probabilities).detach())


def trained_alone(
    space: Space, architecture: Mapping[str, Scalar], data: tuple[Tensor, Tensor, Tensor, Tensor], epochs: int
) -> float:
    """Accuracy on the test images of one network of the space, trained from the beginning."""
    x, y, x_test, y_test = data
    torch.manual_seed(0)
    network = space.network(architecture)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((network.eval()(x_test).argmax(1) == y_test).float().mean())


def run(
    predictor: LatencyPredictor,
    weights: Sequence[float],
    space: Space,
    *,
    epochs: int = 4,
    images: int = 800,
    whole_networks: int = 20,
    told: Callable[[str], None] = lambda text: None,
) -> tuple[LatencyTable, list[Found]]:
    """Search once for each weight of the latency; returns the table and what was found."""
    table = predictor.table(space, whole_networks=whole_networks, told=told)
    data = digits(space.input_shape[1], images)
    found = []
    for weight in weights:
        told(f"searching with the weight {weight:g}")
        architecture, expected_s = search(space, table, weight, *data[:2], epochs)
        accuracy = trained_alone(space, architecture, data, 2 * epochs)
        found.append(Found(weight, architecture, table.latency(architecture), expected_s, accuracy))
    return table, found


def main() -> None:
    """Print what each weight gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="openvino:cpu:fp32", help="where there is no --predictor")
    parser.add_argument("--predictor", help="folder of a predictor; by default this host's, else a shipped one")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.3, 3.0], help="of the latency")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    if options.predictor:
        predictor = LatencyPredictor.load(options.predictor, any_host=True)
    else:
        predictor = host_predictor(options.backend)
    if predictor.elsewhere:
        print(f"These are latencies of another host: the predictor was {predictor.elsewhere}")
    start = time.monotonic()

    def told(text: str) -> None:
        print(f"{time.monotonic() - start:4.0f} s  {text}", flush=True)

    # Layers as small as these gain nothing from threads, and on a busy host threads wait for each other.
    torch.set_num_threads(1)
    space = load_space(str(SPACE))
    table, found = run(predictor, options.weights, space, epochs=options.epochs, told=told)
    print(f"fastest {1e3 * table.fastest()[1]:.3f} ms, slowest {1e3 * table.slowest()[1]:.3f} ms")
    if table.deviation is not None:
        print(f"nine of ten whole networks are within {table.deviation:.1%} of the table")
    print("weight  expected    chosen  accuracy  architecture")
    for one in found:
        print(
            f"{one.weight:6g}  {1e3 * one.expected_s:5.3f} ms  {1e3 * one.latency_s:5.3f} ms  "
            f"{one.accuracy:8.1%}  {space.compact(one.architecture)}"
        )


if __name__ == "__main__":
    try:
        main()
    except HwnasError as error:
        raise SystemExit(str(error)) from None
