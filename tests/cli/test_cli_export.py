"""`hwnas export` from names and weights to files, and its one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Run, runner
from safetensors.torch import save_file

from hwnas.workloads.build import build
from hwnas.workloads.models import parse_model

MODEL = "space:patterns:standard,16,1,3+grouped,32,1,3+depthwise_separable,64,1,3"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys, "export")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file(build(parse_model(MODEL)).module.state_dict(), path)
    return path


def test_what_is_written_is_told(run: Run, weights: Path, tmp_path: Path) -> None:
    code, out, err = run(MODEL, "--weights", weights, "--out", "out")
    assert (code, err) == (0, "")
    assert out.startswith(f"{MODEL}: ")
    for name in (
        "architecture.json",
        "weights.safetensors",
        "model.onnx",
        "model.xml",
        "model.bin",
        "network.py",
    ):
        assert (tmp_path / "out" / name).exists()
    assert out.count("agrees on") == 3
    # Its own folder is replaced, and another one is not.
    code, out, _ = run(MODEL, "--weights", weights, "--out", "out", "--batch", "2", "--json")
    assert code == 0
    assert json.loads(out)["input"]["shape"] == [2, 3, 32, 32]


def test_a_foreign_folder_is_told_before_anything_is_built(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    code, out, err = run(MODEL, "--weights", "missing", "--out", "out")
    assert (code, out) == (2, "")
    assert "--force" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((MODEL, "--weights", "missing.safetensors"), "missing.safetensors cannot be read"),
        ((MODEL, "--weights", "network.pt"), "not a safetensors file"),
        ((MODEL, "--weights", "weights.safetensors", "--input", ""), "--input is empty"),
        (("space:patterns:standard,16,1,3+grouped,32,1,3+depthwise_separable,96,1,3", "--weights", "w"), "w"),
        (("zoo:squeezenet1_1", "--weights", "weights.safetensors"), "lacks the tensor"),
        (("model.onnx", "--weights", "weights.safetensors"), "a model file already"),
        (("zoo:nothing", "--weights", "weights.safetensors"), "unknown"),
        ((MODEL, "--weights", "weights.safetensors", "--input", "1x3x40x40"), "images of the space"),
    ],
)
def test_bad_input_is_one_line(
    run: Run, weights: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "network.pt").write_bytes(b"PK\x03\x04 no tensors")
    code, _, err = run(*arguments, "--out", "out")
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
