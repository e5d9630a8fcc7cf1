"""Spaces for other images than their file says: by name, and rebuilt from workloads of their architectures."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.resources import data_folder
from hwnas.core.workload import Workload
from hwnas.workloads.build import build
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.space_file import fitted_space, load_space
from hwnas.workloads.spaces.workload import space_model, space_workload


@pytest.mark.parametrize("name", ["patterns", "mbconv", "darts", "nasbench201"])
@pytest.mark.parametrize(("shape", "classes"), [((1, 8, 8), 10), ((1, 28, 28), 4)])
def test_every_shipped_space_fits_small_grey_images(
    name: str, shape: tuple[int, int, int], classes: int
) -> None:
    space = fitted_space(name, shape, classes)
    assert (space.input_shape, space.classes) == (shape, classes)
    assert space.choices == load_space(name).choices
    assert space.digest != load_space(name).digest
    workload = space_workload(space, space.sample(random.Random(3)), batch=2)
    rebuilt = build(Workload.from_dict(workload.to_dict()))
    assert rebuilt.inputs[0].shape == (2, *shape)
    with torch.no_grad():
        assert rebuilt.module(*rebuilt.inputs).shape == (2, classes)


def test_a_fit_is_written_behind_the_name() -> None:
    space = fitted_space("patterns", (1, 8, 8), 10)
    assert space.name == "patterns@1x8x8-10"
    assert load_space("patterns@1x8x8-10") == space
    workload = space_workload(space, space.sample(random.Random(0)))
    assert parse_model(space_model(workload)) == workload
    assert workload.label.startswith("patterns@1x8x8-10#")


def test_equal_spaces_have_one_name(tmp_path: Path) -> None:
    plain = load_space("patterns")
    assert fitted_space("patterns", plain.input_shape, plain.classes) == plain
    assert fitted_space("patterns@1x8x8-10", plain.input_shape, plain.classes) == plain
    assert fitted_space("patterns@1x8x8-10", (1, 9, 9), 3).name == "patterns@1x9x9-3"
    path = data_folder("search_spaces") / "patterns.yaml"
    assert load_space(f"{path}@1x8x8-10").name == "patterns@1x8x8-10"
    own = tmp_path / "mine@home.yaml"
    own.write_text(path.read_text())
    assert load_space(str(own)).name == str(own)
    assert load_space(f"{own}@1x8x8-10").name == f"{own}@1x8x8-10"


def test_images_that_do_not_suit_a_space() -> None:
    with pytest.raises(
        UsageError, match=r"^space patterns@1x3x8-10: key input: nothing is left of images of 3x8"
    ):
        fitted_space("patterns", (1, 3, 8), 10)
    with pytest.raises(UsageError, match=r"^space patterns@1x8x8-1: key classes"):
        load_space("patterns@1x8x8-1")
    with pytest.raises(UsageError, match=r"^space darts@3x30x30-10: key input: .*multiples of 4"):
        load_space("darts@3x30x30-10")
    with pytest.raises(UnknownName, match="patterns"):
        load_space("paterns@1x8x8-10")
    with pytest.raises(UnknownName):
        load_space("patterns@1x8x8")


def test_what_is_wrong_elsewhere_is_still_found_by_its_line(tmp_path: Path) -> None:
    text = (data_folder("search_spaces") / "patterns.yaml").read_text()
    own = tmp_path / "mine.yaml"
    own.write_text(text.replace("head: 128", "head: much"))
    line = text[: text.index("head: 128")].count("\n") + 1
    with pytest.raises(UsageError, match=rf"mine\.yaml, line {line}: key head"):
        load_space(f"{own}@1x8x8-10")
