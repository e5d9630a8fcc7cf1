"""`hwnas export --search`: any trial, with what its users need to know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import runner
from jobs_lab import Finished

from hwnas.training.datasets import load_data


def test_any_trial_tells_how_its_pixels_are_normalised(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    winner = finished.record["winner"]["trial"]
    trial = next(f["trial"] for f in finished.record["finalists"] if f["trial"] != winner)
    run = runner(monkeypatch, capsys, "export", "--search", str(finished.folder), "--json")
    code, out, err = run("--trial", str(trial), "--out", tmp_path / "other")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record == json.loads((tmp_path / "other" / "architecture.json").read_text())
    told, data = record["told"], load_data("digits")
    assert (told["trial"], told["training_seed"]) == (trial, 0)
    assert (told["pixel_mean"], told["pixel_deviation"]) == (list(data.mean), list(data.deviation))
    # The winner's file in the search's own folder tells the same.
    own = json.loads((finished.folder / "architecture.json").read_text())["told"]
    for key in ("data", "classes", "pixel_mean", "pixel_deviation"):
        assert told[key] == own[key]
