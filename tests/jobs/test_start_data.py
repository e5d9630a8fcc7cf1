"""A network with weights is fine-tuned on what it was trained on, and on no other classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.workload import Workload
from hwnas.exporting.declaration import SCHEMA
from hwnas.jobs import start_network as module
from hwnas.jobs.paths import absolute
from hwnas.jobs.start_network import start_data, start_network
from hwnas.jobs.told_images import ToldImages
from hwnas.training.datasets import load_data
from hwnas.training.image_data import ImageData

DIGITS = [str(number) for number in range(10)]


def folder_of(tmp_path: Path, told: dict[str, Any], side: int = 8) -> str:
    record = {"schema": SCHEMA, "told": told, "input": {"shape": [1, 1, side, side]}}
    (tmp_path / "architecture.json").write_text(json.dumps(record))
    return str(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """Which data are read, in which size."""
    found: list[tuple[str, int | None]] = []
    digits = load_data("digits")

    def load(name: str, *, image_size: int | None = None) -> ImageData:
        found.append((name, image_size))
        return replace(digits, name=name)

    monkeypatch.setattr(module, "load_data", load)
    return found


def test_the_data_of_the_network_are_taken(tmp_path: Path, asked: list[tuple[str, int | None]]) -> None:
    name = folder_of(tmp_path, {"data": "folder:/mine", "classes": DIGITS}, side=96)
    assert start_data(name, None, None).name == "folder:/mine"
    start_data(name, None, 48)
    start_data(name, "cifar10:/other", None)
    start_data("zoo:mobilenet_v2", None, None)
    start_data(folder_of(tmp_path, {}), None, None)
    assert asked == [
        ("folder:/mine", 96),
        ("folder:/mine", 48),
        ("cifar10:/other", None),
        ("digits", None),
        ("digits", None),
    ]


def test_data_that_are_gone_are_named(tmp_path: Path) -> None:
    name = folder_of(tmp_path, {"data": "folder:/gone/away", "classes": DIGITS})
    with pytest.raises(UsageError, match=r"was trained on folder:/gone/away: there is no folder.*--data"):
        start_data(name, None, None)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["zero", *DIGITS[1:]], "whose class 0 is 'zero'; that of digits is '0'"),
        ([*DIGITS[:8], "9", "8"], "whose class 8 is '9'; that of digits is '8'"),
        (DIGITS[:9], "has 9 classes; digits has 10"),
    ],
)
def test_other_classes_are_refused(tmp_path: Path, classes: list[str], said: str) -> None:
    folder_of(tmp_path, {"data": "letters", "classes": classes})
    told = ToldImages.read(tmp_path / "architecture.json")
    with pytest.raises(UsageError, match=f"was trained on letters, .*{said}"):
        told.check(load_data("digits"))


def test_other_images_of_the_same_classes_are_told(tmp_path: Path) -> None:
    folder_of(tmp_path, {"data": "letters", "classes": DIGITS})
    told, data = ToldImages.read(tmp_path / "architecture.json"), load_data("digits")
    told.check(data)
    assert told.other_than(data) == "the network was trained on letters, and is fine-tuned on digits"
    assert told.other_than(replace(data, name="letters")) == ""


def test_an_architecture_is_no_folder_however_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"space:darts:{','.join(['sep_conv_3x3'] * 40)}"
    assert ToldImages.of(name) is None
    assert absolute("start", name) == name
    with pytest.raises(UsageError, match="cannot look at"):
        ToldImages.of("x" * 300)
    # A space of the user's own is found from elsewhere, too.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "found").mkdir()
    assert absolute("start", "space:mine.yaml@1x8x8-10:a,b") == f"space:{tmp_path}/mine.yaml@1x8x8-10:a,b"
    assert absolute("start", "found") == str(tmp_path / "found")
    assert absolute("start", "zoo:mobilenet_v2") == "zoo:mobilenet_v2"


def told_workload(monkeypatch: pytest.MonkeyPatch, workload: Workload) -> None:
    """Whatever folder it is, its network is this one."""
    declaration = SimpleNamespace(read=lambda path: SimpleNamespace(workload=workload))
    monkeypatch.setattr(module, "Declaration", declaration)
    monkeypatch.setattr(module, "rebuilt", lambda folder: nn.Identity())


def test_a_size_of_images_is_refused_where_the_network_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be passed over."""
    digits = load_data("digits")
    model = "space:patterns@1x8x8-10:standard,16,1,3+standard,32,1,3+standard,64,1,3"
    with pytest.raises(UsageError, match=r"1x1x8x8, and no images of 32x32\. Leave --image-size out"):
        start_network(model, digits, 32, 0)
    assert start_network(model, digits, 8, 0).data.input_shape == (1, 8, 8)
    told_workload(monkeypatch, Workload("factory", "own:network", (1, 1, 8, 8)))
    with pytest.raises(UsageError, match=r"1x1x8x8, and no images of 48x48"):
        start_network(folder_of(tmp_path, {}), digits, 48, 0)


def test_a_network_that_reads_no_images_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told_workload(monkeypatch, Workload("factory", "own:network", (1, 16)))
    with pytest.raises(UsageError, match="has an input of 1x16, which is no images") as caught:
        start_network(folder_of(tmp_path, {}), load_data("digits"), None, 0)
    assert "\n" not in str(caught.value)


def test_a_batch_that_does_not_fit_into_memory_is_not_made() -> None:
    with pytest.raises(OutOfMemory, match=r"10000000000x3x32x32 would need .*--batch"):
        start_network("zoo:squeezenet1_1", load_data("digits"), None, 0, batch=10**10)
