"""`hwnas space`, and architectures on the command line."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Run, runner

from hwnas.core.resources import data_folder
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.build import architecture_counts
from hwnas.workloads.spaces.space_file import load_space

NAMES = ["darts", "mbconv", "nasbench201", "patterns"]
DOCUMENT = data_folder("search_spaces").parent / "docs" / "spaces.md"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwnas ...` as a shell would: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "80")
    return runner(monkeypatch, capsys)


@pytest.mark.parametrize("name", NAMES)
def test_a_space_in_80_columns(run: Run, name: str) -> None:
    code, out, err = run("space", "show", name)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    space = load_space(name)
    assert f"{space.count()} architectures" in out
    assert space.picture() in out
    assert all(choice.name in out for choice in space.choices)
    assert "…" not in out


@pytest.mark.parametrize("name", NAMES)
def test_a_space_as_json(run: Run, name: str) -> None:
    code, out, _ = run("space", "show", name, "--json")
    assert code == 0
    document, space = json.loads(out), load_space(name)
    assert document["name"] == document["kind"] == name
    assert document["count"] == space.count()
    assert document["input_shape"] == [3, 32, 32]
    assert [(c["name"], tuple(c["options"])) for c in document["choices"]] == [
        (c.name, c.options) for c in space.choices
    ]
    assert [p["name"] for p in document["parts"]] == [p.name for p in space.parts()]
    assert all(0 < p["combinations"] <= 5000 for p in document["parts"])


def test_counts(run: Run) -> None:
    assert run("space", "count", "nasbench201") == (0, "15625\n", "")
    assert json.loads(run("space", "count", "darts", "--json")[1])["count"] == load_space("darts").count()


def test_samples_are_models_that_can_be_measured(run: Run) -> None:
    code, out, err = run("space", "sample", "patterns", "-n", "2", "--seed", "7")
    assert (code, err) == (0, "")
    models = [line.split()[-1] for line in out.splitlines()]
    assert len(models) == 2
    code, out, err = run("measure", "--model", models[0], "--dry-run")
    assert code == 0, err
    assert parse_model(models[0]).label.split()[0] in out


def test_samples_as_json_follow_the_seed(run: Run) -> None:
    code, out, _ = run("space", "sample", "mbconv", "-n", "3", "--seed", "1", "--json")
    assert code == 0
    assert run("space", "sample", "mbconv", "-n", "3", "--seed", "1", "--json")[1] == out
    document, space = json.loads(out), load_space("mbconv")
    rng = random.Random(1)
    assert [a["architecture"] for a in document["architectures"]] == [space.sample(rng) for _ in range(3)]
    for found in document["architectures"]:
        counts = architecture_counts(space, space.parse(found["compact"]))
        assert (found["parameters"], found["macs"]) == (counts.parameters, counts.macs)
        assert parse_model(found["model"]).key == found["key"]
        assert found["uncounted"] == {}


def test_brackets_in_names_of_somebody_elses_choices_are_no_markup(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = SimpleNamespace(name="[/x].pattern", texts=("[bold]", ":cat:"))
    part = SimpleNamespace(name="[cpu]", choices=(choice.name,))
    found = SimpleNamespace(
        name="odd",
        title="",
        kind="odd",
        digest="0123",
        choices=(choice,),
        count=lambda: 2,
        picture=lambda: "a picture",
        parts=lambda: [part],
        combination_count=lambda part: 2,
    )
    # The package's name for the command hides the module.
    monkeypatch.setattr(importlib.import_module("hwnas.cli.space"), "load_space", lambda name: found)
    code, out, err = run("space", "show", "odd")
    assert (code, err) == (0, "")
    for text in ("[/x].pattern", "[bold] :cat:", "[cpu]"):
        assert text in out


def test_mistakes_are_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: patterns\ninput: 3x32x32\nclases: 10\n")
    binary, empty, broken = (tmp_path / name for name in ("binary.yaml", "empty.yaml", "broken.yaml"))
    binary.write_bytes(b"\xff\xfe\x00\x01")
    empty.touch()
    broken.write_text("kind: [patterns\n")
    for arguments, words in (
        (["space", "show", "paterns"], ["paterns", "patterns"]),
        (["space", "show", tmp_path], ["unknown search space", str(tmp_path)]),
        (["space", "count", tmp_path / "missing.yaml"], ["unknown search space", "missing.yaml"]),
        (["space", "show", binary], [f"cannot read {binary}"]),
        (["space", "count", empty], [f"{empty}, line 1", "not a mapping"]),
        (["space", "sample", broken], [f"{broken}, line", "not valid YAML"]),
        (["space", "count", f"{tmp_path}@1x8x8-10"], ["unknown search space"]),
        (["space", "count", path], [f"{path}, line 3", "clases", "classes"]),
        (["space", "sample", "patterns", "-n", "0"], ["-n"]),
        (["space", "sample", "patterns", "--seed", "-1"], ["--seed"]),
        (["space", "show"], ["NAME|FILE"]),
        (["measure", "--model", "space:patterns:standard", "--dry-run"], ["12 options"]),
        (["measure", "--model", "space:patterns", "--dry-run"], ["names no architecture"]),
    ):
        code, _, err = run(*arguments)
        assert code == 2
        assert "Traceback" not in err
        assert all(word in err for word in words), err


@pytest.mark.skipif(not DOCUMENT.exists(), reason="hwnas is installed without its documentation")
def test_the_documented_output_is_true(run: Run) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for command in ("show patterns", "sample patterns -n 3", "count nasbench201"):
        code, out, _ = run("space", *command.split())
        assert code == 0
        lines = "\n".join(line.rstrip() for line in out.rstrip().splitlines())
        assert f"$ hwnas space {command}\n{lines}\n" in text
