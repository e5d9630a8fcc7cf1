"""Small spaces, tables of their multiply-adds, and real images; tests that need NNI say so."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits

from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.workloads.spaces.build import part_counts
from hwnas.workloads.spaces.pattern_space import PatternSpace, PatternStage
from hwnas.workloads.spaces.space import Space


def table_of_macs(space: Space) -> LatencyTable:
    """A nanosecond for each multiply-add, and a microsecond for each part that runs."""
    factors, constant_s = [], 0.0
    for part in space.parts():
        seconds = []
        for options in space.combinations(part):
            with torch.device("meta"):
                found = space.part_module(part, options)
            seconds.append(1e-9 * part_counts(found).macs + 1e-6 if found else 0.0)
        if part.choices:
            shape = [len(space.choice(name).options) for name in part.choices]
            factors.append(Factor(part.name, part.choices, torch.tensor(seconds).reshape(shape)))
        else:
            constant_s += seconds[0]
    choices = {choice.name: choice.options for choice in space.choices}
    return LatencyTable(choices, factors, constant_s, backend="made:up", host="a made-up machine", batch=1)


@pytest.fixture(scope="session")
def small() -> PatternSpace:
    """Two stages with 32 architectures, some of which have equal networks."""
    patterns = ("standard", "depthwise_separable")
    return PatternSpace(
        "small",
        "",
        (1, 8, 8),
        10,
        stages=(PatternStage(patterns, (8, 16), (0, 1), (3,)), PatternStage(patterns, (8, 16), (1,), (3,))),
    )


@pytest.fixture(scope="session")
def small_table(small: PatternSpace) -> LatencyTable:
    return table_of_macs(small)


@pytest.fixture(scope="session")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The first 640 of scikit-learn's digits: images from 0 to 1, and labels."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images[:640], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return x, torch.tensor(labels[:640], dtype=torch.int64)
