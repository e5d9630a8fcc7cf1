"""Latency tables of a search are those of its host and its predictor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jobs_lab import Hearing

from hwnas.jobs import latency_models
from hwnas.jobs.folder import SearchFolder
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.workloads.spaces.space_file import load_space

BACKEND = "openvino:cpu:fp32"


class Predictor:
    """Counts how often its table is made."""

    backend, threads, networks = BACKEND, 1, 30

    def __init__(self, digest: str) -> None:
        self.digest, self.made = digest, 0

    def table(self, *_: object, **__: object) -> LatencyTable:
        self.made += 1
        factor = Factor("only", ["a"], torch.tensor([1e-3, 2e-3 * self.made], dtype=torch.float64))
        return LatencyTable({"a": [1, 2]}, [factor], 0.0, backend=BACKEND, host="somewhere", batch=1)


def test_a_table_is_made_once_for_each_host_and_predictor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_models, "predictor_digest", lambda predictor: predictor.digest)
    space, folder = load_space("patterns"), SearchFolder(tmp_path)

    def table(predictor: Predictor, host: str) -> LatencyTable:
        return latency_models._Tables(space, 1, host, folder, Hearing(), 1).of(predictor)  # type: ignore[arg-type]

    # As many networks behind both: they are told apart by what they learned.
    one, fitted_again = Predictor("one"), Predictor("two")
    first = table(one, "here")
    assert torch.equal(table(one, "here").table_s, first.table_s)
    assert one.made == 1
    table(fitted_again, "here")
    table(fitted_again, "here")
    assert (one.made, fitted_again.made) == (1, 1)
    table(one, "elsewhere")
    table(one, "here")
    assert (one.made, fitted_again.made) == (2, 1)
