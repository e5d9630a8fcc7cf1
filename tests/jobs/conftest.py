"""One small search that was run to its end, and what several tests need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from jobs_lab import SMALL, Finished, Hearing, made_up_times, no_predictor

from hwnas.jobs import host_timer, latency_models
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search


@contextmanager
def _brief() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick = replace(host_timer.QUICK, budget_s=0.05, min_rounds=2, warmup_s=0.02, warmup_cap_s=0.05)
        close = replace(host_timer.CLOSE, passes=1, max_passes=1, budget_s=0.05, min_rounds=2, warmup_s=0.02)
        patch.setattr(host_timer, "QUICK", quick)
        patch.setattr(host_timer, "CLOSE", close)
        yield


@pytest.fixture
def quick_measuring() -> Iterator[None]:
    """Fractions of a second for each network: these tests judge no latency."""
    with _brief():
        yield


@pytest.fixture(scope="session")
def space_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def jobs_db(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for many searches: making one takes a while."""
    return str(tmp_path_factory.mktemp("jobs") / "latency.sqlite")


@pytest.fixture
def made_up_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured or predicted, no page is drawn, and nobody asks which choices mattered."""
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    monkeypatch.setattr(latency_models, "find_predictor", no_predictor)
    monkeypatch.setattr("hwnas.report.search.page.write_search_page", lambda *_: [])
    monkeypatch.setattr("hwnas.jobs.search_job.choice_importance", lambda *_: {})


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, where a module ``own_accuracy`` of the user's may be; forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.delitem(sys.modules, "own_accuracy", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, space_file: Path) -> Finished:
    """With a latency limit that every network holds; no test changes its folder."""
    folder = tmp_path_factory.mktemp("search")
    options = SearchOptions(
        space=str(space_file),
        max_latency_s={"openvino:cpu:fp32": 1.0},
        max_count={"parameters": 1e6},
        trials=3,
        epochs=2,
        measurements=3,
        finalists=2,
        final_seeds=2,
    )
    heard = Hearing()
    db = str(folder / "latency.sqlite")
    with _brief():
        record = search(options, folder / "out", db=db, listener=heard)
    return Finished(options, folder / "out", db, record, heard)
