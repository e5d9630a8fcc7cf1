"""A trained network of a space of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hwnas.core.workload import Workload
from hwnas.exporting.export import Export, export_network
from hwnas.workloads.build import build
from hwnas.workloads.models import parse_model

_SPACE = """
kind: mbconv
title: Of one's own
input: 1x8x8
classes: 10
stem: 8
stages:
  - {stride: 2, width: [8, 16], depth: [1, 2], expansion: [2], se: [false, true]}
"""

MODEL = "16,2,3,2,true"


@pytest.fixture(scope="session")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaces") / "mine.yaml"
    path.write_text(_SPACE)
    return path


@pytest.fixture(scope="session")
def workload(space_file: Path) -> Workload:
    return parse_model(f"space:{space_file}:{MODEL}")


@pytest.fixture(scope="session")
def network(workload: Workload) -> nn.Module:
    """With statistics as after a training, in the memory layout of one; no test changes it."""
    return build(workload).module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def exported(
    workload: Workload, network: nn.Module, images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory
) -> Export:
    """Made once; no test changes it."""
    out = tmp_path_factory.mktemp("exported") / "out"
    return export_network(workload, network, out, images=images, told={"accuracy": 0.9})
