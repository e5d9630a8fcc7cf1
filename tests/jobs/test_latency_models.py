"""What tells latencies: tables of the host and its predictor, and measurements where it matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from jobs_lab import Hearing, no_predictor

from hwnas.jobs import latency_models
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.options import SearchOptions
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.searching.cost_model import CostModel
from hwnas.searching.counted_cost import CountedCost
from hwnas.searching.learned_latency import LearnedLatency
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


class Guessing(Predictor):
    """Has never seen an operator of the space."""

    def table(self, *_: object, **__: object) -> LatencyTable:
        found = super().table()
        found.guessed = ("MatMul",)
        return found


def test_what_a_predictor_guesses_is_told_also_when_the_search_goes_on(
    space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time the table is read, and nothing is predicted."""
    predictor = Guessing("one")
    monkeypatch.setattr(latency_models, "predictor_digest", lambda predictor: predictor.digest)
    monkeypatch.setattr(latency_models, "find_predictor", lambda *_: (predictor, ""))
    timer = SimpleNamespace(environment=SimpleNamespace(fingerprint="here"))
    for _ in range(2):
        heard: list[str] = []
        latency_models.latency_models(
            SearchOptions(measurements=0),
            load_space(str(space_file)),
            timer,  # type: ignore[arg-type]
            SearchFolder(tmp_path),
            Hearing(),
            told=heard.append,
        )
        assert f"{BACKEND}: never seen by the predictor, and guessed from other kernels: MatMul" in heard
    assert predictor.made == 1


def test_networks_less_than_99_percent_sure_of_a_limit_are_measured_before_they_are_trained(
    space_file: Path,
) -> None:
    space = load_space(str(space_file))
    options = SearchOptions(max_latency_s={BACKEND: 1e-3}, max_count={"macs": 1e6})

    def limits(options: SearchOptions) -> list[tuple[float, float, float | None]]:
        models: dict[str, CostModel] = {BACKEND: CountedCost(space, "parameters")}
        found = latency_models.limits_of(options, space, models)
        return [(limit.at_most, limit.confidence, limit.measured_below) for limit in found]

    # What is counted is not measured.
    assert limits(options) == [(1e-3, 0.9, 0.99), (1e6, 0.9, None)]
    # Who asks for more gets more.
    assert limits(replace(options, confidence=0.995))[0] == (1e-3, 0.995, 0.995)


@pytest.mark.parametrize("limits", [{BACKEND: 1e-3}, {}])
def test_the_first_measurements_are_near_the_limit(
    space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float]
) -> None:
    monkeypatch.setattr(latency_models, "find_predictor", no_predictor)
    timer = SimpleNamespace(environment=SimpleNamespace(fingerprint="here"))
    heard: list[str] = []
    model = latency_models.latency_models(
        SearchOptions(max_latency_s=limits),
        load_space(str(space_file)),
        timer,  # type: ignore[arg-type]
        SearchFolder(tmp_path),
        Hearing(),
        told=heard.append,
    )[BACKEND]
    assert ["measurements alone" in text for text in heard] == [True]
    assert isinstance(model, LearnedLatency)
    assert model._near == limits.get(BACKEND)
