"""How long does a prediction take, how fast is a table looked up, and what does its term cost in training?

A prediction of ResNet-50 is timed once its kernels are known (declared by its name, and as a module whose
weights change before every prediction), in a predictor that has not met the network, as the first of a process,
and as the whole command. The supernet mixes seven operators in each layer, as DARTS
does; its latency term has a factor for each layer and one for each pair of neighbours.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from reporting import exclusive, run
from torch import Tensor, nn

from hwnas.measuring.experiment import model_workload
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.predictor import LatencyPredictor

MODEL = "torchvision:resnet50"
KNOWN_BAR_MS, COLD_BAR_S = 5.0, 3.0
CHOICES, OPTIONS = 20, 8
ARCHITECTURES = 1_000_000
BATCH, CHANNELS, LAYERS = 64, 16, 6
LOOKUP_BAR, SHARE_BAR = 1e6, 1.0


def _convolution(kernel: int, dilation: int = 1) -> nn.Module:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(CHANNELS, CHANNELS, kernel, 1, padding, dilation, CHANNELS, bias=False),
        nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
        nn.BatchNorm2d(CHANNELS),
    )


#: DARTS without the operator that gives zeros. H. Liu et al., DARTS, ICLR 2019 (arXiv:1806.09055), section 3.1.
OPERATORS: dict[str, Callable[[], nn.Module]] = {
    "skip": nn.Identity,
    "max_pool_3x3": lambda: nn.MaxPool2d(3, 1, 1),
    "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "sep_conv_3x3": lambda: nn.Sequential(_convolution(3), _convolution(3)),
    "sep_conv_5x5": lambda: nn.Sequential(_convolution(5), _convolution(5)),
    "dil_conv_3x3": lambda: _convolution(3, dilation=2),
    "dil_conv_5x5": lambda: _convolution(5, dilation=2),
}


class Supernet(nn.Module):
    """Layers that mix all operators; the picture is halved after every second one."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(LAYERS, len(OPERATORS)))
        self.stem = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.mixed = nn.ModuleList(nn.ModuleList(new() for new in OPERATORS.values()) for _ in range(LAYERS))
        self.head = nn.Linear(CHANNELS, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, shape ``(batch, 10)``."""
        x = self.stem(images)
        for index, (operators, weights) in enumerate(zip(self.mixed, self.logits.softmax(-1), strict=True)):
            x = sum(weight * operator(x) for weight, operator in zip(weights, operators, strict=True))
            if index % 2:
                x = nn.functional.avg_pool2d(x, 2)
        return self.head(x.mean((2, 3)))


def _table(choices: int, options: int) -> LatencyTable:
    names = [f"layer{i}" for i in range(choices)]
    factors = [Factor(name, name, torch.rand(options) * 1e-3) for name in names]
    factors += [
        Factor(f"{a} {b}", (a, b), torch.rand(options, options) * 1e-4) for a, b in itertools.pairwise(names)
    ]
    return LatencyTable(
        {name: list(range(options)) for name in names}, factors, 1e-3, backend="none", host="none", batch=1
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _lookup(repeats: int) -> dict[str, Any]:
    table = _table(CHOICES, OPTIONS)
    indices = torch.randint(OPTIONS, (ARCHITECTURES, CHOICES))
    single = LatencyTable(table.choices, table.factors[:CHOICES], 1e-3, backend="none", host="none", batch=1)
    rates = {}
    for name, looked_up in (("chain", table), ("single", single)):
        looked_up.lookup(indices)
        durations = [_seconds(lambda t=looked_up: t.lookup(indices)) for _ in range(repeats)]
        rates[f"{name}_architectures_per_s"] = round(ARCHITECTURES / statistics.median(durations))
    return {"choices": CHOICES, "options": OPTIONS, **rates}


def _training(repeats: int) -> dict[str, Any]:
    torch.manual_seed(0)
    network, table = Supernet(), _table(LAYERS, len(OPERATORS))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def term() -> None:
        (0.1 * table.expected(network.logits.softmax(-1))).backward()

    step()
    term()
    # In turns, so that each term meets the caches as a step leaves them, and both the host's same moments.
    steps_s, terms_s = [], []
    for _ in range(repeats):
        steps_s.append(_seconds(step))
        terms_s.append(_seconds(term))
    step_s, term_s = statistics.median(steps_s), statistics.median(terms_s)
    return {
        "layers": LAYERS,
        "operators": len(OPERATORS),
        "factors": len(table.factors),
        "step_ms": round(1e3 * step_s, 1),
        "term_ms": round(1e3 * term_s, 3),
        "share_percent": round(100 * term_s / step_s, 3),
    }


def _prediction(folder: str, repeats: int) -> dict[str, Any]:
    workload = model_workload(MODEL, None, None, seed=0)
    # A script's first prediction pays for imports and the compiler's start; those that follow do not.
    predictor = LatencyPredictor.load(folder, any_host=True)
    first_s = _seconds(lambda: predictor.predict(workload))
    cold_s, load_s = [], []
    for _ in range(max(3, repeats // 5)):
        load_s.append(_seconds(lambda: LatencyPredictor.load(folder, any_host=True)))
        fresh = LatencyPredictor.load(folder, any_host=True)
        cold_s.append(_seconds(lambda p=fresh: p.predict(workload)))
    known_s = [_seconds(lambda: predictor.predict(workload)) for _ in range(10 * repeats)]
    module_s = _module_in_training(predictor, repeats)
    command = [sys.executable, "-m", "hwnas", "predict", MODEL, "--predictor", folder, "--any-host", "--json"]
    command += ["--backend", predictor.backend, "--threads", str(predictor.threads)]
    command_s = [
        _seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(3)
    ]
    found = predictor.predict(workload)
    return {
        "model": MODEL,
        "backend": predictor.backend,
        "kernels": len(found.kernels),
        "known_ms": round(1e3 * statistics.median(known_s), 2),
        "known_ms_95th": round(1e3 * statistics.quantiles(known_s, n=20)[-1], 2),
        "module_ms": round(1e3 * statistics.median(module_s), 2),
        "module_ms_95th": round(1e3 * statistics.quantiles(module_s, n=20)[-1], 2),
        "cold_s": round(statistics.median(cold_s), 2),
        "first_in_process_s": round(first_s, 2),
        "load_s": round(statistics.median(load_s), 2),
        "command_s": round(statistics.median(command_s), 2),
        "network_ms": round(1e3 * found.latency_s, 1),
    }


def _module_in_training(predictor: LatencyPredictor, repeats: int) -> list[float]:
    """Of the module itself, whose every weight changes before each prediction, as in a training [s]."""
    module, image = torchvision.models.resnet50(weights=None), torch.zeros(1, 3, 224, 224)
    predictor.predict(module, image)
    found = []
    for step in range(10 * repeats):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(1e-3)
        module.train(step % 2 == 0)
        found.append(_seconds(lambda: predictor.predict(module, image)))
    return found


def main(options: Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    with exclusive("predict_speed"):
        prediction = _prediction(options.predictor, options.repeats) if options.predictor else None
        lookup, training = _lookup(options.repeats), _training(options.repeats)
    for name, found in (("prediction", prediction), ("lookup", lookup), ("training", training)):
        print(name, found, flush=True)
    bars = {
        "lookup": min(v for k, v in lookup.items() if k.endswith("per_s")) >= LOOKUP_BAR,
        "term": training["share_percent"] <= SHARE_BAR,
    }
    if prediction:
        bars["known"] = max(prediction["known_ms"], prediction["module_ms"]) <= KNOWN_BAR_MS
        bars["cold"] = max(prediction["cold_s"], prediction["first_in_process_s"]) <= COLD_BAR_S
    return {
        "prediction": prediction,
        "lookup": lookup,
        "training": training,
        "bars": bars,
        "passed": all(bars.values()) and prediction is not None,
    }


if __name__ == "__main__":
    run(
        main,
        ("--repeats", {"type": int, "default": 15}),
        (
            "--predictor",
            {"metavar": "FOLDER", "help": "what hwnas fit made; without it no prediction is timed"},
        ),
    )
