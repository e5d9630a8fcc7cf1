"""A predictor that learned from kernels that really ran here, and a space of few networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_kernels import by_law

from hwnas.host.machine import probe_environment
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space

SPACE = """\
kind: patterns
input: 1x16x16
classes: 10
patterns: [standard, depthwise_separable]
stages:
  - {width: [16, 64], depth: [1, 2]}
"""


@pytest.fixture(scope="session")
def chain_predictor(measured_chains: Path) -> LatencyPredictor:
    """Of OpenVINO, from some chains of plain convolutions; their times follow a law, whatever the host does."""
    here = probe_environment()
    with LatencyStore.open(measured_chains, read_only=True) as store:
        training = read_training_set(store, here.fingerprint, "openvino:cpu:fp32", 1)
    return fit_predictor(by_law(training), here, trees=20).predictor


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    """Of eight networks."""
    path = tmp_path_factory.mktemp("space") / "mine.yaml"
    path.write_text(SPACE)
    return load_space(str(path))
