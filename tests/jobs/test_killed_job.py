"""A search that is killed among its finalists, or while it exports, goes on there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jobs_lab import made_up_times, options_for

from hwnas.core.workload import Workload
from hwnas.exporting.rebuilding import rebuilt
from hwnas.jobs import search_job, winner
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search
from hwnas.training.datasets import load_data
from hwnas.training.loop import accuracy_on

BACKEND = "openvino:cpu:fp32"


class Killed(BaseException):
    """In place of a kill."""


def test_what_was_proved_of_finalists_is_kept(
    space_file: Path, tmp_path: Path, jobs_db: str, made_up_latencies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved: list[int] = []

    def close(self: HostTimer, workloads: Sequence[Workload], backends: Sequence[str], **named: Any) -> Any:
        if "is_open" in named:
            proved.append(len(workloads))
        return made_up_times(self, workloads, backends)

    monkeypatch.setattr(HostTimer, "close", close)
    options = options_for(
        space_file, tmp_path, max_latency_s={BACKEND: 1.0}, trials=4, finalists=3, final_seeds=2
    )
    real, trained = search_job.trained_with_seeds, []

    def killed_at_the_second(*arguments: Any) -> Any:
        trained.append(1)
        if len(trained) == 2:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(search_job, "trained_with_seeds", killed_at_the_second)
        with pytest.raises(Killed):
            search(options, tmp_path / "out", db=jobs_db)
    assert not (tmp_path / "out" / "result.json").exists()
    record = search(options, tmp_path / "out", resume=True)
    assert proved == [3]
    assert record["verdict"] == "FEASIBLE"
    assert len(record["finalists"]) == 3
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == record


def test_half_an_export_is_written_again(
    space_file: Path, tmp_path: Path, jobs_db: str, made_up_latencies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SearchOptions(
        space=str(space_file),
        max_latency_s={BACKEND: 1.0},
        sampler="random",
        trials=2,
        epochs=1,
        measurements=2,
        finalists=1,
        final_seeds=1,
    )
    out = tmp_path / "out"

    def half(workload: Workload, network: Any, folder: Path, **_: Any) -> None:
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(winner, "export_network", half)
        with pytest.raises(Killed):
            search(options, out, db=jobs_db)
    before = {path: path.stat().st_mtime_ns for path in (out / "trainings").iterdir()}
    record = search(options, out, resume=True)
    assert {"architecture.json", "model.onnx", "weights.safetensors"} <= set(record["files"])
    assert not [path.name for path in out.iterdir() if path.name.startswith(".winner")]
    assert {path: path.stat().st_mtime_ns for path in (out / "trainings").iterdir()} == before
    data = load_data("digits")
    assert accuracy_on(rebuilt(out), data, data.test).value == pytest.approx(record["accuracy"]["mean"])
