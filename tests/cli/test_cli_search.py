"""`hwnas search`: its options, what it prints, and its one line for what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, runner
from jobs_lab import SMALL, made_up_times, no_predictor

from hwnas.jobs import latency_models, search_job
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import CHANGEABLE, SearchOptions

RECORD: dict[str, Any] = {
    "verdict": "FEASIBLE",
    "winner": {"trial": 1, "model": "space:patterns:a"},
    "accuracy": {"mean": 0.98, "seeds": 2, "interval": [0.97, 0.99], "images": 359},
    "latencies": [
        {
            "backend": "torch:cpu:fp32",
            "latency_ms": 1.5,
            "interval_ms": [1.4, 1.6],
            "limit_ms": 2.0,
            "verdict": "FEASIBLE",
            "reason": "",
        }
    ],
    "finalists": [],
    "files": ["model.onnx"],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWNAS_DB", str(tmp_path / "latency.sqlite"))
    return runner(monkeypatch, capsys, "search")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SearchOptions]:
    """What the command asks for; the search itself has its own tests."""
    found: list[SearchOptions] = []

    def told(options: SearchOptions, out: Any, **_: Any) -> dict[str, Any]:
        found.append(options)
        return RECORD

    monkeypatch.setattr(search_job, "search", told)
    return found


def test_options_become_a_search(run: Run, asked: list[SearchOptions]) -> None:
    code, out, err = run(
        *("--space", "mbconv", "--backend", "torch", "--max-latency", "2ms"),
        *("--max-latency", "openvino:cpu=500us", "--max-macs", "1.5M", "--max-weights", "1MiB"),
        *("--trials", "7", "--time", "20m", "--sampler", "tpe", "--no-prune", "--seed", "3"),
    )
    assert (code, err) == (0, "")
    assert asked == [
        SearchOptions(
            space="mbconv",
            backend="torch:cpu:fp32",
            max_latency_s={"torch:cpu:fp32": 2e-3, "openvino:cpu:fp32": 5e-4},
            max_count={"macs": 1.5e6, "weights": 2**20},
            trials=7,
            budget_s=1200.0,
            sampler="tpe",
            prune=False,
            seed=3,
        )
    ]
    assert "Winner: space:patterns:a" in out
    assert "98.00% [97.00%, 99.00%], 2 trainings, 359 images" in out
    assert "torch:cpu:fp32 1.50 ms [1.40 ms, 1.60 ms], limit 2.00 ms: FEASIBLE" in out


def test_without_options_it_is_the_default_search(run: Run, asked: list[SearchOptions]) -> None:
    code, out, _ = run("--json")
    assert code == 0
    assert asked == [SearchOptions()]
    assert json.loads(out) == RECORD


@pytest.mark.parametrize("verdict", ["NOT", "UNCLEAR"])
def test_a_limit_that_is_not_proved_is_no_success(
    run: Run, asked: list[SearchOptions], monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    monkeypatch.setitem(RECORD, "verdict", verdict)
    assert run("--max-latency", "2ms")[0] == 1


def test_a_search_goes_on_as_it_was_begun(run: Run, asked: list[SearchOptions], tmp_path: Path) -> None:
    begun = SearchOptions(space="mbconv", max_latency_s={"torch:cpu:fp32": 2e-3}, trials=5)
    SearchFolder(tmp_path / "mine").begin(Declared(begun, "study", "2026-01-01T00:00:00+00:00", "a.db"))
    assert run("--resume", "--out", "mine", "--trials", "9", "--space", "mbconv")[0] == 0
    assert asked == [SearchOptions(space="mbconv", max_latency_s={"torch:cpu:fp32": 2e-3}, trials=9)]
    code, _, err = run("--resume", "--out", "mine", "--max-latency", "torch=3ms")
    assert code == 2
    assert "--max-latency is another than that of the search in mine" in err
    assert len(asked) == 1
    # What is said again is taken as it was said: the backend is the search's.
    assert run("--resume", "--out", "mine", "--max-latency", "torch=2ms", "--seed", "0")[0] == 0


def test_with_a_time_no_number_is_asked_for(run: Run, asked: list[SearchOptions]) -> None:
    assert run("--time", "20m")[0] == 0
    assert asked == [SearchOptions(trials=None, budget_s=1200.0)]


#: What may be another one when a search goes on, and how it is said.
CHANGES: list[tuple[tuple[str, str], dict[str, Any]]] = [
    (("--trials", "9"), {"trials": 9}),
    (("--time", "1h"), {"budget_s": 3600.0}),
    (("--finalists", "2"), {"finalists": 2}),
    (("--final-seeds", "1"), {"final_seeds": 1}),
]


@pytest.mark.parametrize("begun", [{}, {"trials": 5}, {"budget_s": 60.0}, {"trials": 5, "budget_s": 60.0}])
def test_what_may_be_changed_is_changed_and_nothing_else(
    run: Run, asked: list[SearchOptions], tmp_path: Path, begun: dict[str, Any]
) -> None:
    options = SearchOptions(space="mbconv", **begun)
    SearchFolder(tmp_path / "mine").begin(Declared(options, "study", "2026-01-01T00:00:00+00:00", "a.db"))
    for arguments, changed in CHANGES:
        assert run("--resume", "--out", "mine", *arguments)[0] == 0
        assert asked[-1] == replace(options, **changed)
    assert {name for _, changed in CHANGES for name in changed} == set(CHANGEABLE)


@pytest.mark.parametrize(
    ("begun", "again", "other", "said"),
    [
        ({}, ("--sampler", "hwnas"), ("--sampler", "tpe"), "begun with hwnas"),
        ({"engine": "nni"}, ("--sampler", "evolution"), ("--sampler", "random"), "begun with evolution"),
        ({}, ("--data", "digits"), ("--data", "folder:mine"), "begun with digits"),
        ({"data": "folder:{here}/mine"}, ("--data", "folder:mine"), ("--data", "digits"), "folder:"),
        ({"data": "folder:{here}/mine"}, ("--image-size", "64"), ("--image-size", "32"), "begun with 64"),
        ({"accuracy": "my_own:function"}, (), ("--data", "digits"), "begun without it"),
        ({"predictor": "{here}/mine"}, ("--predictor", "mine"), ("--predictor", "other"), "mine"),
        ({}, (), ("--predictor", "mine"), "begun without it"),
        (
            {"engine": "netadapt", "start": "{here}/mine", "max_latency_s": {"openvino:cpu:fp32": 1e-3}},
            ("--engine", "netadapt", "--start", "mine", "--data", "digits", "--max-latency", "1ms"),
            ("--start", "other"),
            "mine",
        ),
    ],
)
def test_what_is_said_again_is_taken_as_it_was_said(
    run: Run,
    asked: list[SearchOptions],
    tmp_path: Path,
    begun: dict[str, Any],
    again: tuple[str, ...],
    other: tuple[str, ...],
    said: str,
) -> None:
    """Paths are those of the same files, and what nobody gave is what it is by default."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    named = {k: v.format(here=tmp_path) if isinstance(v, str) else v for k, v in begun.items()}
    options = SearchOptions(**named)
    SearchFolder(tmp_path / "out").begin(Declared(options, "study", "2026-01-01T00:00:00+00:00", "a.db"))
    assert run("--resume", "--out", "out", *again)[0] == 0
    assert asked == [options]
    code, _, err = run("--resume", "--out", "out", *other)
    assert code == 2
    assert f"{other[0]} is another than that of the search in out" in err
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-latency", "nanms"), "cannot read the quantity 'nanms'"),
        (("--max-latency", "infms"), "cannot read the quantity 'infms'"),
        (("--max-latency", "-1ms"), "cannot read the quantity '-1ms'"),
        (("--max-latency", "0ms"), "the latency limit of openvino:cpu:fp32 is 0.0"),
        (("--max-latency", "9" * 400), "is too large"),
        (("--max-weights", "0"), "the count limit of weights is 0"),
        (("--confidence", "nan"), "the confidence is nan"),
        (("--time", "0s"), "the time is 0.0 s"),
        (("--space", "."), "unknown search space '.'"),
        (("--max-latency", "soon"), "cannot read the quantity 'soon'"),
        (("--max-latency", "2ms", "--max-latency", "openvino:cpu=3ms"), "limits openvino:cpu:fp32 twice"),
        (("--max-macs", "many"), "Write it like 500k"),
        (("--backend", "abacus"), "abacus"),
        (("--threads", "1000"), "threads is 1000"),
        (("--backend", "torch", "--max-latency", "openvino:cpu=1ms"), "--backend is torch:cpu:fp32"),
        (
            ("--engine", "netadapt", "--start", "zoo:resnet18", "--max-latency", "1ms", "--trials", "3"),
            "--trials says nothing to the engine netadapt",
        ),
        (("--resume", "--out", "nothing"), "there is no search in nothing"),
        (("--backend", ""), "--backend is empty"),
        (("--sampler", ""), "--sampler is empty"),
        (("--max-latency", "2ms", "--max-latency", ""), "--max-latency is empty"),
        (("--resume", "--out", ""), "--out is empty"),
        (("--batch", "1000000000000"), "an input of shape 1000000000000x1x8x8 would need"),
        (("--batch", str(10**30)), "too many values"),
        (("--space", "paterns"), "patterns"),
        (("--data", "fashion-mnist:/nowhere"), "there is no folder '/nowhere'"),
    ],
)
def test_bad_input_is_one_line(run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small space, whose latencies are made up."""
    monkeypatch.setattr(HostTimer, "close", made_up_times)
    monkeypatch.setattr(latency_models, "find_predictor", no_predictor)
    (tmp_path / "small.yaml").write_text(SMALL)
    return "small.yaml"


def test_a_limit_that_nothing_holds_is_one_line(run: Run, small: str, tmp_path: Path) -> None:
    code, _, err = run("--space", small, "--max-latency", "1ns", "--measurements", "2", "--out", "mine")
    assert code == 2
    assert err.startswith("hwnas: no network of the space ")
    assert "is surely within latency openvino:cpu:fp32 1.00 ns at 90 %; the least is" in err
    assert len(err.strip().splitlines()) == 1
    # Another limit may take the folder.
    assert not (tmp_path / "mine").exists()


def test_too_little_memory_is_one_line(run: Run, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.training.memory.available_memory_bytes", lambda: 1000)
    code, out, err = run(
        *("--space", small, "--max-latency", "1s", "--measurements", "2", "--trials", "9", "--epochs", "1")
    )
    assert code == 2
    assert err.startswith("hwnas: training ")
    assert "takes at least" in err
    assert "1000 B are left" in err
    assert len(err.strip().splitlines()) == 1
    assert "trial 0 failed" in out


def test_images_that_do_not_fit_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hwnas.training.memory.available_memory_bytes", lambda: 1_000_000)
    code, _, err = run(
        *("--engine", "netadapt", "--start", "zoo:squeezenet1_1", "--image-size", "64", "--max-latency", "1ms")
    )
    assert code == 2
    assert "the 1797 images of digits take 21.1 MiB at 64x64, and 977 KiB of memory are left" in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_stopped_says_how_it_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search_job, "search", stopped)
    # Before there is anything to go on with, nothing is said of it.
    code, out, err = run("--out", "mine")
    assert code == 130
    assert "--resume" not in out + err
    begun = Declared(SearchOptions(), "study", "2026-01-01T00:00:00+00:00", "a.db")
    SearchFolder(tmp_path / "mine").begin(begun)
    code, out, _ = run("--out", "mine")
    assert code == 130
    assert "--resume --out mine goes on" in out
