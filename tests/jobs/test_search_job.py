"""A whole search: its network, its proof, its files, and going on."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from command_line import runner
from jobs_lab import Finished, made_up_times, table_of

from hwnas.core.errors import UnknownName, UsageError
from hwnas.exporting.rebuilding import rebuilt
from hwnas.host.machine import probe_environment
from hwnas.jobs import search_job
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.result import _command
from hwnas.jobs.search_job import search
from hwnas.jobs.trained_trial import trained_trial
from hwnas.predicting.locating import NoPredictor, find_predictor
from hwnas.report.search.page import write_search_page
from hwnas.searching.suggester import NothingLeft
from hwnas.store import LatencyStore
from hwnas.training.datasets import load_data
from hwnas.training.loop import accuracy_on


def _foretold() -> bool:
    """Whether a predictor ships for processors like this one; else the first networks are measured without."""
    try:
        find_predictor(probe_environment(), "openvino:cpu:fp32", 1)
    except NoPredictor:
        return False
    return True


def test_the_winner_is_the_most_accurate_and_its_limit_is_proved(finished: Finished) -> None:
    record = finished.record
    assert record == json.loads((finished.folder / "result.json").read_text())
    assert record["verdict"] == "FEASIBLE"
    (proof,) = record["latencies"]
    low, high = proof["interval_ms"]
    assert 0 < low <= proof["latency_ms"] <= high <= proof["limit_ms"] == 1000
    assert not _foretold() or proof["predicted"]["latency_ms"] > 0
    best = max(f["validation_accuracy"]["mean"] for f in record["finalists"])
    won = next(f for f in record["finalists"] if f["trial"] == record["winner"]["trial"])
    assert won["validation_accuracy"]["mean"] == best
    assert record["accuracy"] == won["accuracy"]
    assert won["accuracy"]["seeds"] == 2
    assert won["accuracy"]["images"] == 359
    assert record["winner"]["kernels"]
    assert sum(k["share"] for k in record["winner"]["kernels"]) <= 1.0001
    assert record["search"]["evaluations"] == 3
    assert record["winner"]["counts"]["parameters"] < 1e6


def test_its_files_are_that_network(finished: Finished) -> None:
    data = load_data("digits")
    network = rebuilt(finished.folder)
    told = json.loads((finished.folder / "architecture.json").read_text())
    own = next(f for f in finished.record["finalists"] if f["trial"] == finished.record["winner"]["trial"])
    seed = told["told"]["training_seed"]
    assert accuracy_on(network, data, data.test).value == pytest.approx(own["accuracy"]["accuracies"][seed])
    assert told["architecture"] == finished.record["winner"]["architecture"]
    ran = subprocess.run(
        [sys.executable, finished.folder / "network.py"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "(1, 10)"
    names = {*finished.record["files"], "result.json", "index.html"}
    assert names <= {path.name for path in finished.folder.iterdir()}
    assert {"model.onnx", "model.xml", "weights.safetensors"} <= names


def test_optuna_and_the_latency_database_hold_it(finished: Finished) -> None:
    study = optuna.load_study(
        study_name=finished.record["provenance"]["study"], storage=f"sqlite:///{finished.db}"
    )
    assert len([t for t in study.trials if t.state.name == "COMPLETE"]) == 3
    with LatencyStore.open(finished.db, read_only=True) as store:
        measured = list(store.measurements(kind="space"))
    assert len(measured) >= 3
    # What a predictor learns from.
    assert all(any(k.time_s is not None for k in s.measurement.kernels) for s in measured)


def test_the_page_stands_by_itself(finished: Finished) -> None:
    page = (finished.folder / "index.html").read_text()
    assert "FEASIBLE" in page
    assert finished.record["winner"]["model"] in page
    assert 'src="http' not in page
    assert "<script" not in page
    assert page.count("<caption>") == page.count("<table>") == 2
    for name in ("front", "history", *(["predicted"] if _foretold() else [])):
        assert f'id="figure-{name}"' in page
        assert (finished.folder / f"{name}.csv").read_text().count("\n") > 1


def test_the_page_of_a_winner_that_could_not_be_measured_tells_no_latency(
    finished: Finished, tmp_path: Path
) -> None:
    lost = {"latency_ms": None, "interval_ms": None, "passes": 0, "verdict": "UNCLEAR", "reason": "no memory"}
    record = json.loads(json.dumps(finished.record))
    record["verdict"] = "UNCLEAR"
    for proof in (p for told in (record, *record["finalists"]) for p in told["latencies"]):
        proof.update(lost)
    write_search_page(record, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert f"<h1>{record['accuracy']['mean']:.2%} accurate</h1>" in page
    assert "not measured: no memory" in page
    assert "0 passes" not in page
    assert "1 passes" not in (finished.folder / "index.html").read_text()


def test_it_goes_on_and_trains_nothing_twice(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    monkeypatch.setattr(search_job, "export_winner", lambda *_: [])
    out, db = tmp_path / "out", str(tmp_path / "latency.sqlite")
    shutil.copytree(finished.folder, out)
    shutil.copyfile(finished.db, db)
    copied = SearchFolder(out)
    copied.declare(replace(copied.declared(), db=db))
    before = {path: path.stat().st_mtime_ns for path in (out / "trainings").iterdir()}
    heard = type(finished.heard)()
    record = search(replace(finished.options, trials=4), out, resume=True, listener=heard)
    assert heard.known == 3
    assert [t.number for t in heard.ended_trials if t.evaluated] == [3]
    assert record["search"]["evaluations"] == 4
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert [t["text"] for t in record["search"]["trials"]][:3] == [
        t["text"] for t in finished.record["search"]["trials"]
    ]


def test_a_folder_is_of_one_search(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is a search in .* already"):
        search(finished.options, finished.folder, db=finished.db)
    with pytest.raises(UsageError, match="there is no search"):
        search(finished.options, tmp_path / "nothing", db=finished.db, resume=True)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="something else than a search"):
        search(finished.options, tmp_path, db=finished.db)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_of_another_version_is_not_gone_on_with(finished: Finished, tmp_path: Path) -> None:
    """Its accuracies would mean something else: the weights of hwnas-search-2 had not been averaged."""
    told = json.loads((finished.folder / "search.json").read_text())
    assert told["schema"] == "hwnas-search-3"
    (tmp_path / "search.json").write_text(json.dumps({**told, "schema": "hwnas-search-2"}))
    with pytest.raises(UsageError, match="is of the schema 'hwnas-search-2', not hwnas-search-3"):
        search(finished.options, tmp_path, db=finished.db, resume=True)


def test_any_trial_has_its_weights(finished: Finished) -> None:
    folder = SearchFolder(finished.folder)
    for number in (None, 0):
        found = trained_trial(folder, number)
        assert found.model.startswith("space:")
        assert found.weights.is_file()
    with pytest.raises(UsageError, match="no trial 99"):
        trained_trial(folder, 99)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"space": "paterns"}, UnknownName, "patterns"),
        ({"data": "folder:/nowhere"}, UsageError, "there is no folder"),
        ({"sampler": "tpee"}, UnknownName, "tpe"),
        ({"engine": "optima"}, UnknownName, "optuna"),
        ({"accuracy": "nobody"}, UnknownName, "accuracy evaluator"),
        ({"predictor": "/nowhere"}, UsageError, "/nowhere"),
        ({"engine": "netadapt", "start": "zoo:mobilenet_v2"}, UsageError, "one latency limit"),
        ({"accuracy": "own:told", "image_size": 32}, UsageError, "no images to be made 32 pixels"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    tmp_path: Path, changed: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        search(SearchOptions(**changed), tmp_path / "out", db=str(tmp_path / "a.db"))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_a_table_of_accuracies_takes_no_epochs(finished: Finished, tmp_path: Path) -> None:
    options = replace(finished.options, accuracy=table_of(Path(finished.options.space), tmp_path), epochs=3)
    with pytest.raises(UsageError, match=r"a table of accuracies trains nothing\. Leave --epochs out"):
        search(options, tmp_path / "out", db=finished.db)
    assert not (tmp_path / "out").exists()


def test_what_was_proved_stays_proved(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalist at 99 % of its limit is FEASIBLE, though the latency model alone would not let it through."""
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    monkeypatch.setattr(search_job, "export_winner", lambda *_: [])
    slowest_s = 1e-9 * max(len(t["text"]) for t in finished.record["search"]["trials"])
    options = replace(
        finished.options, max_latency_s={"openvino:cpu:fp32": 1.012 * slowest_s}, final_seeds=1, confidence=0.5
    )
    first = search(options, tmp_path / "out", db=finished.db)
    asked: list[int] = []

    def close(self: HostTimer, workloads: list[object], *arguments: object, **named: object) -> object:
        asked.append(len(workloads))
        return made_up_times(self, workloads, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(HostTimer, "close", close)
    again = search(options, tmp_path / "out", resume=True)
    assert first["verdict"] == again["verdict"] == "FEASIBLE"
    assert again["winner"]["trial"] == first["winner"]["trial"]
    assert again["finalists"] == first["finalists"]
    # The first networks are read again by the model; no finalist is.
    assert len(asked) <= 1


def test_the_folder_knows_its_database(finished: Finished, tmp_path: Path) -> None:
    declared = SearchFolder(finished.folder).declared()
    assert declared.db == finished.db
    with pytest.raises(UsageError, match="is in the database"):
        search(finished.options, finished.folder, db=str(tmp_path / "other.db"), resume=True)
    with pytest.raises(UsageError, match="a database that stays"):
        search(finished.options, tmp_path / "out", db="sqlite://")
    assert not (tmp_path / "out").exists()


def test_passwords_stay_out_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["/bin/hwnas", "search", "--space", "my space", "--db", "postgresql://me:secret@host/db"]
    )
    told = _command()
    assert told is not None
    assert shlex.split(told) == [
        *("hwnas", "search", "--space", "my space", "--db", "postgresql://me:***@host/db"),
    ]


def test_a_limit_that_nothing_holds(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    with pytest.raises(NothingLeft, match="the least is"):
        search(replace(finished.options, max_count={"macs": 10}), tmp_path / "out", db=finished.db)
    # Another limit may take the folder, and the study is gone.
    assert not (tmp_path / "out").exists()


def test_without_a_limit_there_is_a_front(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    options = replace(
        finished.options,
        max_latency_s={},
        accuracy=table_of(Path(finished.options.space), tmp_path),
        epochs=None,
        trials=8,
        finalists=3,
    )
    record = search(options, tmp_path / "out", db=finished.db)
    assert record["verdict"] is None
    assert len(record["front"]) >= 1
    name = "latency openvino:cpu:fp32"
    measured, trials = record["search"]["measured"][name], record["search"]["trials"]
    # What was measured counts, of the finalists as well.
    assert {f["text"] for f in record["finalists"]} <= set(measured)
    front = [trials[number] for number in record["front"]]
    known = [measured.get(t["text"], t["costs"][name]["median"]) for t in front]
    assert known == sorted(known)
    assert [t["accuracy"] for t in front] == sorted(t["accuracy"] for t in front)
    assert record["files"] == []
    assert any("nothing is exported" in notice for notice in record["notices"])
    assert record["winner"]["trial"] in {f["trial"] for f in record["finalists"]}


def test_an_export_of_any_trial_tells_how_its_pixels_are_normalised(
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


def test_weights_of_a_trial_compute_what_its_accuracy_says(finished: Finished) -> None:
    from hwnas.exporting.export import trained_network
    from hwnas.workloads.models import parse_model

    found = trained_trial(SearchFolder(finished.folder), 0)
    network, _ = trained_network(parse_model(found.model), found.weights)
    data = load_data("digits")
    with torch.no_grad():
        told = next(t for t in finished.record["search"]["trials"] if t["number"] == 0)
        assert accuracy_on(network, data, data.validation).value == pytest.approx(told["accuracy"])


def test_the_page_on_searches_names_all_that_comes_out(finished: Finished) -> None:
    """Every file of the folder, and every key of the result."""
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    told = page.partition("## What comes out")[2].partition("## Stopping and going on")[0]
    files = {path.name for path in finished.folder.iterdir()} - {"model.bin"}  # model.xml "and .bin"
    assert [n for n in sorted(files) if f"`{n}" not in told and f"`{n.partition('.')[0]}`" not in told] == []
    keys = told.partition("`result.json` has\n")[2]
    record = finished.record
    named = (record, record["winner"], record["accuracy"], record["latencies"][0])
    assert [key for part in named for key in part if f"`{key}`" not in keys] == []
